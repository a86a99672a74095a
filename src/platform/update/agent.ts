/**
 * The update agent: takes a bundle, puts its root into the slot that is not in use and its kernel image beside the running one, with
 * a counter of tries in its name. The next start tries it; once it serves, it is blessed; if it never does, the firmware's loader goes
 * back to this version. Whatever happens before the kernel image has its name, the running version starts again as before.
 */

import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BundleError, type BundleHead, compareVersions, fileOffset, readHead } from './bundle.ts'
import { download, firstOctets, forgetDownload } from './download.ts'
import { copyPart, digestOf, roomIn, syncFolder } from './files.ts'
import { hold } from './lock.ts'
import { UpdateFolder } from './state.ts'

/** How often a new version may start without serving. */
const tries = 3
/**
 * A slow line brings more in a minute; a server that means to keep the agent waiting may bring less. A version on trial is blessed or
 * starts again within three minutes.
 */
export const usualPace = { tries: 5, waitMs: 5000, patienceMs: 60_000, leastOctets: 65_536, trialMs: 300_000 }
/** Of the data partition, what a download leaves to the box, which takes no documents on a full disk; less on a small card. */
const leftOctets = 96 << 20
const leftShare = 1 / 4

/** What the agent works on; on a unit `unit.ts` finds it, tests make it up. */
export interface UpdateTarget {
  readonly folder: string
  readonly board: string
  readonly version: string
  /** PEM of the public keys that bundles may be signed with. */
  readonly keys: readonly string[]
  /** The slot not in use, a device. */
  otherSlot(): string
  /** Octets of it. */
  slotOctets(): number
  /** What was written is read from the disk from now on. */
  dropCaches(device: string): void
  /** Calls `work` with the folder of kernel images, which is there as long as it runs. */
  withKernelImages<T>(work: (folder: string) => T): T
}

export class UpdateAgent {
  readonly #target: UpdateTarget
  readonly #folder: UpdateFolder
  readonly #pace: typeof usualPace

  /** `pace` is for tests. */
  constructor(target: UpdateTarget, pace = usualPace) {
    this.#target = target
    this.#pace = pace
    this.#folder = new UpdateFolder(target.folder)
  }

  /**
   * Installs the bundle in a file or at an HTTPS URL and resolves to its version, which the next start tries. `committing` is called
   * when nothing but its name is missing. Rejects with an Error of one line, which the record keeps as its reason; while another
   * install is under way, at once and without a record, or with `isPatient` after that.
   */
  async install(
    source: string,
    { isPatient = false, committing = () => {} }: { isPatient?: boolean; committing?: () => void } = {},
  ): Promise<string> {
    const release = await hold(join(this.#folder.path, 'lock'), isPatient)
    if (release === undefined) throw new Error('another update is under way')
    try {
      await this.#ownTrialOver()
      this.#folder.isUnderWay = true
      return await this.#install(source, committing)
    } finally {
      this.#folder.isUnderWay = false
      await release()
    }
  }

  /** As long as the version that runs has not proved itself, the other slot is its way back. */
  async #ownTrialOver(): Promise<void> {
    const { trialMs } = this.#pace
    for (let waited = 0; this.#folder.trial?.version === this.#target.version; waited += trialMs / 300) {
      if (waited >= trialMs) throw new Error(`version ${this.#target.version} is on trial itself`)
      await new Promise(resolve => setTimeout(resolve, trialMs / 300))
    }
  }

  async #install(source: string, committing: () => void): Promise<string> {
    let version: string | undefined
    const isFile = !source.startsWith('https:')
    const path = isFile ? source : join(this.#target.folder, 'download')
    try {
      if (source.startsWith('http:')) throw new BundleError('bundles come by https, not http')
      let head: BundleHead | undefined
      if (isFile) head = this.#check(firstOctets(path))
      else {
        this.#folder.record = { state: 'downloading', source }
        const options = { ...this.#pace, check: this.#check.bind(this), makeSure: this.#makeRoom.bind(this) }
        head = await download(source, path, options)
      }
      if (head === undefined) throw new BundleError('this is no update bundle')
      version = head.manifest.version
      this.#folder.record = { state: 'downloaded', source, version }
      this.#folder.record = { state: 'updating', source, version }
      this.#write(path, head, committing)
      forgetDownload(join(this.#target.folder, 'download'))
      return version
    } catch (error) {
      // What has come whole and is not what was signed would be gone on from for ever.
      if (!isFile && error instanceof BundleError) forgetDownload(path)
      const reason = (error as Error).message
      this.#folder.record = { state: 'failed', source, reason, ...(version === undefined ? {} : { version }) }
      throw error
    }
  }

  /** Before the box starts: an install that the power ended has failed, unless it is still asked for. */
  interrupted(): void {
    const { record, trial } = this.#folder
    const isStuck = ['downloading', 'downloaded', 'updating'].includes(record.state) && trial === undefined
    if (isStuck && this.#folder.requests().length === 0)
      this.#folder.record = { ...record, state: 'failed', reason: 'the unit was switched off meanwhile' }
    this.#folder.isUnderWay = false
  }

  /** Before the box starts: when the version on trial has been given up, says so. True then: its data may be in a newer format. */
  rolledBack(): boolean {
    const trial = this.#folder.trial
    if (trial === undefined || trial.version === this.#target.version) return false
    const reason = `version ${trial.version} did not serve; version ${this.#target.version} runs again`
    this.#folder.record = { state: 'failed', version: trial.version, reason }
    return true
  }

  /** What a rollback has left is dealt with. */
  endTrial(): void {
    this.#folder.trial = undefined
    rmSync(this.#folder.application, { force: true })
  }

  /** The version that runs serves: the trial, if it was one, is over. */
  blessed(): void {
    const trial = this.#folder.trial
    if (trial?.version !== this.#target.version) return
    if (compareVersions(trial.floor, this.#folder.floor) > 0) this.#folder.floor = trial.floor
    this.#folder.record = { state: 'updated', version: trial.version }
    this.endTrial()
  }

  /** The head, if it is for this unit. */
  #check(bytes: Uint8Array): BundleHead | undefined {
    const head = readHead(bytes, this.#target.keys)
    if (head === undefined) return undefined
    const { board, version, files } = head.manifest
    const { floor } = this.#folder
    if (board !== this.#target.board) throw new BundleError(`it is for the board ${board}, not ${this.#target.board}`)
    if (compareVersions(version, floor) < 0)
      throw new BundleError(`version ${version} is below ${floor}, the oldest allowed`)
    if (compareVersions(version, this.#target.version) <= 0)
      throw new BundleError(`version ${version} is not newer than ${this.#target.version}`)
    if (files.slot.octets > this.#target.slotOctets()) throw new BundleError('its root does not fit into a slot')
    return head
  }

  /** Throws BundleError when the box would be short of room with so many octets more. */
  #makeRoom(octets: number): void {
    const { free, all } = roomIn(this.#target.folder)
    const left = Math.min(leftOctets, all * leftShare)
    if (free - octets < left)
      throw new BundleError(`there is no room for it: ${mebibytes(octets + left)} are needed, ${mebibytes(free)} free`)
  }

  #write(path: string, head: BundleHead, committing: () => void): void {
    const { version, floor, files } = head.manifest
    const slot = this.#target.otherSlot()
    // One that waits for its first start is replaced.
    this.endTrial()
    this.#target.withKernelImages(folder => {
      // What the other slot held must not be started any more once that is overwritten.
      for (const name of readdirSync(folder)) if (!isOf(name, this.#target.version)) rmSync(join(folder, name))
      syncFolder(folder)
    })
    const expect = (name: keyof typeof files, digest: string): void => {
      if (digest !== files[name].sha256) throw new BundleError(`its ${name} is not what was signed`)
    }
    expect('slot', copyPart(path, fileOffset(head, 'slot'), files.slot.octets, slot))
    this.#target.dropCaches(slot)
    // Verity finds a bad block only when it is read, perhaps weeks later: all of it is read now.
    if (digestOf(slot, files.slot.octets) !== files.slot.sha256)
      throw new Error('the slot does not keep what is written to it')
    const { application } = this.#folder
    expect('application', copyPart(path, fileOffset(head, 'application'), files.application.octets, application))
    this.#target.withKernelImages(folder => {
      const temporary = join(folder, 'new.tmp')
      const kernel = join(folder, `porchlight-${version}+${tries}.efi`)
      try {
        expect('kernel', copyPart(path, fileOffset(head, 'kernel'), files.kernel.octets, temporary))
        committing()
        this.#folder.trial = { version, previous: this.#target.version, floor }
        renameSync(temporary, kernel)
        syncFolder(folder)
      } catch (error) {
        this.endTrial()
        for (const file of [temporary, kernel]) rmSync(file, { recursive: true, force: true })
        throw error
      }
    })
  }
}

function mebibytes(octets: number): string {
  return `${Math.ceil(octets / 2 ** 20)} MiB`
}

function isOf(name: string, version: string): boolean {
  return name === `porchlight-${version}.efi` || name.startsWith(`porchlight-${version}+`)
}

/** Keys of bundles in a folder of PEM files. */
export function readKeys(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter(name => name.endsWith('.pem'))
    .map(name => readFileSync(join(folder, name), 'utf8'))
}
