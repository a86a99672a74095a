/**
 * What is known of an update, as files in a folder on the data partition. Device management asks for an update by a file in
 * `requests`, and follows it in `state.json`; the states are those of the firmware update object (FUMO 1.0 §5.1, without the vendor's own).
 */

import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeSafely } from './files.ts'

export type UpdateState = 'idle' | 'downloading' | 'downloaded' | 'updating' | 'updated' | 'failed'

export interface UpdateRecord {
  readonly state: UpdateState
  /** The version it is about, once known. */
  readonly version?: string
  /** File or URL. */
  readonly source?: string
  /** Why it failed, one line. */
  readonly reason?: string
}

/** A file in `requests`, which stays there until it is `done`: what the power ends is begun again. */
export interface UpdateRequest {
  readonly source: string
  readonly done: () => void
}

/** A version that has been installed and not proved itself yet. */
export interface Trial {
  readonly version: string
  readonly previous: string
  readonly floor: string
}

/** A request is no longer than this. */
const requestOctets = 4096

export class UpdateFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
    mkdirSync(path, { recursive: true })
  }

  get record(): UpdateRecord {
    return this.#read<UpdateRecord>('state.json') ?? { state: 'idle' }
  }

  /** The box's own user reads it, who is another than the agent's. */
  set record(record: UpdateRecord) {
    writeSafely(join(this.path, 'state.json'), `${JSON.stringify(record)}\n`, 0o644)
  }

  get trial(): Trial | undefined {
    return this.#read<Trial>('trial')
  }

  set trial(trial: Trial | undefined) {
    if (trial === undefined) rmSync(join(this.path, 'trial'), { force: true })
    else writeSafely(join(this.path, 'trial'), `${JSON.stringify(trial)}\n`)
  }

  /** Versions below it are not installed. */
  get floor(): string {
    return this.#read<string>('floor') ?? '0.0.0'
  }

  set floor(version: string) {
    writeSafely(join(this.path, 'floor'), `${JSON.stringify(version)}\n`)
  }

  /** The program of the version on trial, which can take the data back to this version's format. */
  get application(): string {
    return join(this.path, 'application.js')
  }

  /** Whether an install has begun and not ended; after a start, that the power ended it. */
  get isUnderWay(): boolean {
    return existsSync(join(this.path, 'under-way'))
  }

  set isUnderWay(is: boolean) {
    if (is) writeSafely(join(this.path, 'under-way'), '')
    else rmSync(join(this.path, 'under-way'), { force: true })
  }

  /** The requests that wait: sources of bundles, oldest name first. What is no request is thrown away. */
  requests(): UpdateRequest[] {
    const folder = join(this.path, 'requests')
    if (!existsSync(folder)) return []
    const found: UpdateRequest[] = []
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name)
      const source = sourceOf(path)
      if (source === undefined) rmSync(path, { recursive: true, force: true })
      else found.push({ source, done: () => forgetRequest(path, source) })
    }
    return found
  }

  #read<T>(name: string): T | undefined {
    const path = join(this.path, name)
    return existsSync(path) ? (parsed(readFileSync(path, 'utf8')) as T | undefined) : undefined
  }
}

/** Unless there is another one by that name now. */
function forgetRequest(path: string, source: string): void {
  if (existsSync(path) && sourceOf(path) === source) rmSync(path, { force: true })
}

/** Others may write requests: nothing but a small plain file is read. */
function sourceOf(path: string): string | undefined {
  const about = lstatSync(path)
  if (!about.isFile() || about.nlink !== 1 || about.size > requestOctets) return undefined
  const { source } = (parsed(readFileSync(path, 'utf8')) ?? {}) as { source?: unknown }
  return typeof source === 'string' && source.startsWith('https://') ? source : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
