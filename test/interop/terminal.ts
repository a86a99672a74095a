/** A client that is driven by typing and observed by what it prints or logs. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const pollMs = 50

export class Terminal {
  readonly #process: ChildProcess
  readonly #logFile: string | undefined
  #printed = ''

  /** `logFile`: where the client logs besides its standard output. */
  constructor(command: string, args: readonly string[], environment: Record<string, string>, logFile?: string) {
    this.#process = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'pipe'] })
    this.#logFile = logFile
    const heard = (chunk: Buffer) => {
      this.#printed += chunk.toString()
    }
    this.#process.stdout?.on('data', heard)
    this.#process.stderr?.on('data', heard)
    this.#process.stdin?.on('error', () => {})
    this.#process.on('error', error => heard(Buffer.from(String(error))))
  }

  get printed(): string {
    return this.#printed
  }

  get log(): string {
    return this.#logFile !== undefined && existsSync(this.#logFile) ? readFileSync(this.#logFile, 'utf8') : ''
  }

  type(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  get ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null || this.#process.pid === undefined
  }

  /**
   * Resolves when `look` finds something, with that; rejects with all the client has said when it does not in time. The
   * outcome decides, not the time: it looks every 50 ms.
   */
  async until<T>(what: string, look: () => T | undefined | false, withinMs = 20_000): Promise<T> {
    const deadline = performance.now() + withinMs
    for (;;) {
      const found = look()
      if (found) return found
      if (this.ended || performance.now() > deadline)
        throw new Error(
          `${this.#process.spawnfile} ${this.ended ? 'ended' : `took more than ${withinMs} ms`} before ${what}; it printed:\n` +
            `${this.#printed.slice(-3_000)}\nand logged:\n${this.log.slice(-20_000)}`,
        )
      await new Promise(later => setTimeout(later, pollMs))
    }
  }

  /** Asks the client to end, as the shell would. */
  stop(): void {
    this.#process.kill('SIGTERM')
  }

  /** Waits for the client to end by itself, then insists. */
  async ends(patienceMs = 5_000): Promise<void> {
    const ended = new Promise<void>(resolve => {
      if (this.ended) resolve()
      else this.#process.once('exit', () => resolve())
    })
    this.#process.stdin?.end()
    const impatience = setTimeout(() => this.#process.kill('SIGKILL'), patienceMs)
    await ended
    clearTimeout(impatience)
  }
}
