/** What passes on the loopback interface to and from one port, and Wireshark's view of it. Capturing needs root. */

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { Terminal } from './terminal.ts'

export class Capture {
  readonly #file: string
  readonly #program: Terminal

  private constructor(file: string, program: Terminal) {
    this.#file = file
    this.#program = program
  }

  /** Resolves when it captures. */
  static async start(file: string, port: number): Promise<Capture> {
    const program = new Terminal('dumpcap', ['-i', 'lo', '-f', `port ${port}`, '-s', '65535', '-w', file], {})
    await program.until('capturing', () => /File: /.test(program.printed))
    return new Capture(file, program)
  }

  /** Resolves when everything captured is in the file. */
  async stop(): Promise<void> {
    if (this.#program.ended) return
    await untilStill(this.#file)
    this.#program.stop()
    await this.#program.ends()
  }
}

/** One line for each packet that the filter finds. */
export function tshark(file: string, port: number, filter: string, options: readonly string[] = []): string[] {
  const known = ['-d', `udp.port==${port},sip`, '-d', `tcp.port==${port},sip`]
  const given = ['-r', file, ...known, '-Y', filter, ...options]
  const run = spawnSync('tshark', given, { encoding: 'utf8', maxBuffer: 1 << 26 })
  assert.equal(run.status, 0, run.stderr)
  return run.stdout.split('\n').filter(Boolean)
}

/** Resolves when the capture has not grown for a while: dumpcap writes what it has several times a second. */
async function untilStill(file: string): Promise<void> {
  for (let last = -1; ; ) {
    const size = existsSync(file) ? statSync(file).size : 0
    if (size === last && size > 0) return
    last = size
    await new Promise<void>(waited => spawn('sleep', ['1']).once('exit', () => waited()))
  }
}
