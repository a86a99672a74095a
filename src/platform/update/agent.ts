/**
 * The update agent: takes a bundle, puts its root into the slot that is not in use and its kernel image beside the running one, with
 * a counter of tries in its name. The next start tries it; once it serves, it is blessed; if it never does, the firmware's loader goes
 * back to this version. Whatever happens before the kernel image has its name, the running version starts again as before.
 */

import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BundleError, type BundleHead, compareVersions, fileOffset, readHead } from './bundle.ts'
import { download, firstOctets } from './download.ts'
import { copyPart, digestOf, syncFolder } from './files.ts'
import { UpdateFolder } from './state.ts'

/** How often a new version may start without serving. */
const tries = 3

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

  constructor(target: UpdateTarget) {
    this.#target = target
    this.#folder = new UpdateFolder(target.folder)
  }

  /**
   * Installs the bundle in a file or at an HTTPS URL and resolves to its version, which the next start tries. Rejects with an Error
   * of one line, which the record keeps as its reason.
   */
  async install(source: string): Promise<string> {
    let version: string | undefined
    try {
      if (source.startsWith('http:')) throw new BundleError('bundles come by https, not http')
      const isFile = !source.startsWith('https:')
      const path = isFile ? source : join(this.#target.folder, 'download')
      let head: BundleHead | undefined
      if (isFile) head = this.#check(firstOctets(path))
      else {
        this.#folder.record = { state: 'downloading', source }
        head = await download(source, path, { check: bytes => this.#check(bytes), tries: 5, waitMs: 5000 })
      }
      if (head === undefined) throw new BundleError('this is no update bundle')
      version = head.manifest.version
      this.#folder.record = { state: 'downloaded', source, version }
      this.#folder.record = { state: 'updating', source, version }
      this.#write(path, head)
      this.#forgetDownload()
      return version
    } catch (error) {
      const reason = (error as Error).message
      this.#folder.record = { state: 'failed', source, reason, ...(version === undefined ? {} : { version }) }
      throw error
    }
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

  #write(path: string, head: BundleHead): void {
    const { version, floor, files } = head.manifest
    const slot = this.#target.otherSlot()
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
      expect('kernel', copyPart(path, fileOffset(head, 'kernel'), files.kernel.octets, temporary))
      this.#folder.trial = { version, previous: this.#target.version, floor }
      renameSync(temporary, join(folder, `porchlight-${version}+${tries}.efi`))
      syncFolder(folder)
    })
  }

  #forgetDownload(): void {
    for (const name of ['download', 'download.from']) rmSync(join(this.#target.folder, name), { force: true })
  }
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
