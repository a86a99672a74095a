/** The built box as a child process, on a data directory and ports of its own, and its command line. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const program = join(import.meta.dirname, '..', '..', 'scripts', 'porchlight')

/** A directory that is removed after the test; its data directory does not exist yet. */
export function temporaryData(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'porchlight-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'data')
}

export interface Ended {
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

/** Runs a command to its end. */
export async function porchlight(words: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(program, words)
  const ended = collect(child)
  child.stdin.end(input)
  return ended()
}

/** What `status --json` says; `Status` names what the caller reads of it. */
export async function statusOf<Status>(data: string): Promise<Status> {
  return JSON.parse((await porchlight(['status', '--json', '--data', data])).output) as Status
}

/** What a test reads that sends a box bad input: it is the same process, within its memory, and has had no fault of its own. */
export interface Health {
  readonly pid: number
  readonly memoryOctets: number
  readonly lastError: unknown
}

export class RunningBox {
  readonly child: ChildProcess
  /** What it printed until it was ready. */
  readonly greeting: string
  readonly #ended: () => Promise<Ended>

  private constructor(child: ChildProcess, greeting: string, ended: () => Promise<Ended>) {
    this.child = child
    this.greeting = greeting
    this.#ended = ended
  }

  /** Resolves when it is ready. Rejects with what it printed when it ends first. */
  static async start(t: TestContext, data: string, set: readonly string[] = []): Promise<RunningBox> {
    const anywhere = ['sip.udp', 'sip.tcp', 'sip.tls', 'http.listen', 'https.listen'].map(name => `${name}=127.0.0.1:0`)
    const child = spawn(program, ['serve', '--data', data, ...[...anywhere, ...set].flatMap(text => ['--set', text])])
    t.after(() => child.kill('SIGKILL'))
    const ended = collect(child)
    let greeting = ''
    const ready = new Promise<void>(resolve =>
      child.stdout.on('data', (part: Buffer) => {
        greeting += part
        if (/^ready .*\n/m.test(greeting)) resolve()
      }),
    )
    const first = await Promise.race([ready, ended()])
    if (first !== undefined) throw new Error(`ended with ${first.status}: ${first.errors}`)
    return new RunningBox(child, greeting, ended)
  }

  /** The port of one transport, from the ready line. */
  port(transport: 'udp' | 'tcp' | 'tls' | 'http' | 'https' | 'xdms-http' | 'xdms-https' | 'content-http'): number {
    return Number(new RegExp(`^ready(?: .*)? ${transport}=127\\.0\\.0\\.1:(\\d+)`, 'm').exec(this.greeting)?.[1])
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.child.kill(signal)
    return this.#ended()
  }
}

function collect(child: ChildProcess): () => Promise<Ended> {
  let output = ''
  let errors = ''
  child.stdout?.on('data', part => {
    output += part
  })
  child.stderr?.on('data', part => {
    errors += part
  })
  const closed = once(child, 'close')
  return async () => {
    const [status] = (await closed) as [number | null]
    return { status, output, errors }
  }
}
