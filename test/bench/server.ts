/** What the bench knows of a server under measurement, whoever wrote it; and how one is started as a child process. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { type AddressInfo, createServer } from 'node:net'
import { processTree } from './process-cost.ts'

export interface Server {
  /** Names the column of the report. */
  readonly name: string
  readonly port: number
  /** Where it serves XCAP documents by HTTP; 0 where it does not. */
  readonly httpPort: number
  /** Where it does so for whoever proves who he is (RFC 7616). */
  readonly digestPort: number
  /** From now on, or not any more, `digestPort` asks for credentials. */
  askForCredentials(asks: boolean): void
  /** Whether what watchers see follows the rules of presentities (RFC 5025), put by XCAP. */
  readonly obeysRules: boolean
  /** How long after the last answer work that belongs to the answers may still be done (a deferred flush to disk). */
  readonly settleMs: number
  start(): Promise<void>
  /** Every process of the server. */
  pids(): number[]
  /** Stops it as its operator would. */
  stop(): Promise<void>
}

export const domain = 'box.example'

/** The password of user number n of the load, on every server. */
export function passwordOf(user: number): string {
  return `secret${user}`
}

/** A UDP port of the loopback interface that nobody holds at this moment. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  await new Promise<void>(bound => socket.bind(0, '127.0.0.1', bound))
  const { port } = socket.address()
  await new Promise<void>(closed => socket.close(closed))
  return port
}

/** A TCP port likewise. */
export async function freeTcpPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(bound => server.listen(0, '127.0.0.1', bound))
  const { port } = server.address() as AddressInfo
  await new Promise(closed => server.close(closed))
  return port
}

/** A child process whose output is kept, so that a start that fails can say why. */
export class Child {
  readonly process: ChildProcess
  output = ''
  readonly #waiting: Array<() => void> = []

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
    this.process = spawn(command, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const heard = (chunk: Buffer) => {
      this.output = (this.output + chunk.toString()).slice(-65_536)
      for (const look of [...this.#waiting]) look()
    }
    this.process.stdout?.on('data', heard)
    this.process.stderr?.on('data', heard)
    this.process.on('exit', () => {
      for (const look of [...this.#waiting]) look()
    })
    this.process.on('error', error => heard(Buffer.from(String(error))))
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null || this.process.pid === undefined
  }

  /** Resolves when the output matches; rejects when the process ends first or the time is over. */
  async printed(pattern: RegExp, withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (why: string) => reject(new Error(`${this.process.spawnfile} ${why}:\n${this.output}`))
        const look = () => {
          if (pattern.test(this.output)) resolve()
          else if (this.ended) fail('ended')
        }
        this.#waiting.push(look)
        timer = setTimeout(() => fail(`did not print ${pattern} in ${withinMs} ms`), withinMs)
        look()
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.length = 0
    }
  }

  /** Sends the signal to the process, and resolves when it has ended; insists with SIGKILL after `patienceMs`. */
  async end(signal: NodeJS.Signals, patienceMs = 10_000): Promise<void> {
    if (this.ended) return
    const ended = new Promise<void>(resolve => this.process.once('exit', () => resolve()))
    this.process.kill(signal)
    const impatience = setTimeout(() => this.killAll(), patienceMs)
    await ended
    clearTimeout(impatience)
  }

  /** Kills the process and all its descendants, which get no chance to say anything. */
  killAll(): void {
    for (const pid of processTree(this.pid)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself meanwhile.
      }
    }
  }
}
