/** The emulator's ends of a unit: its control socket (QMP), and the shell that an image made for tests has on a serial card. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** What ends the output of a command and its status. */
const end = '\x04'

/** A socket that the emulator listens on from its start; `ended` says that it has ended. */
async function opened(path: string, ended: AbortSignal): Promise<Socket> {
  for (;;) {
    ended.throwIfAborted()
    const socket = connect(path)
    try {
      await once(socket, 'connect')
      // What the emulator's end breaks is noticed by who waits for it.
      socket.on('error', () => {})
      return socket
    } catch {
      await wait(50)
    }
  }
}

/** QMP: JSON, an object a line. */
export class Control {
  readonly #socket: Socket
  readonly #closed = new AbortController()
  #text = ''
  #got: unknown[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('close', () => this.#closed.abort())
    socket.setEncoding('utf8').on('data', (part: string) => {
      this.#text += part
      const lines = this.#text.split('\n')
      this.#text = lines.pop()!
      this.#got.push(...lines.filter(line => line.trim() !== '').map(line => JSON.parse(line) as unknown))
    })
  }

  static async open(path: string, ended: AbortSignal): Promise<Control> {
    const control = new Control(await opened(path, ended))
    await control.do('qmp_capabilities')
    return control
  }

  /** Rejects with the emulator's reason. */
  async do(execute: string, words: Readonly<Record<string, unknown>> = {}): Promise<void> {
    this.#socket.write(`${JSON.stringify({ execute, arguments: words, id: execute })}\n`)
    const answer = await this.#next<{ error?: { desc: string } }>(one => one.id === execute)
    if (answer.error) throw new Error(`${execute}: ${answer.error.desc}`)
  }

  /** Resolves when the emulator has told of an event that came since the last time it was asked for. */
  async event(name: string): Promise<void> {
    await this.#next(one => one.event === name)
  }

  /** After the emulator's end: whether the unit has been reset, by itself or its watchdog. */
  async wasReset(): Promise<boolean> {
    if (!this.#socket.closed) await once(this.#socket, 'close')
    return this.#got.some(one => (one as { data?: { reason?: string } }).data?.reason === 'guest-reset')
  }

  async #next<T>(isWanted: (one: { id?: string; event?: string }) => boolean): Promise<T> {
    for (;;) {
      const index = this.#got.findIndex(one => isWanted(one as object))
      if (index >= 0) return this.#got.splice(index, 1)[0] as T
      if (this.#socket.destroyed) throw new Error('the emulator has ended')
      await once(this.#socket, 'data', { signal: this.#closed.signal }).catch(() => {})
    }
  }
}

/** A shell of root's in the unit, one command after the other. */
export class Shell {
  readonly #socket: Socket
  #text = ''

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8').on('data', (part: string) => {
      this.#text += part
    })
  }

  static async open(path: string, ended: AbortSignal): Promise<Shell> {
    return new Shell(await opened(path, ended))
  }

  /** Resolves when the unit has started it; what was said before is forgotten. */
  async ready(patienceMs: number): Promise<void> {
    await this.#taken(new RegExp(`ready${end}`), patienceMs)
  }

  /** Runs one line; resolves to what it prints, without the last newline. Rejects when its status is not 0. */
  async run(line: string, patienceMs: number): Promise<string> {
    this.#socket.write(`${line}\n`)
    const [, output, status] = await this.#taken(new RegExp(`^([^${end}]*)${end}(\\d+)${end}`), patienceMs)
    if (status !== '0') throw new Error(`${line}: ended with ${status}: ${output}`)
    return output!.trimEnd()
  }

  /** Runs one line that ends the unit's run, or its shell. */
  send(line: string): void {
    this.#socket.write(`${line}\n`)
  }

  async #taken(pattern: RegExp, patienceMs: number): Promise<RegExpExecArray> {
    const deadline = AbortSignal.timeout(patienceMs)
    for (;;) {
      const match = pattern.exec(this.#text)
      if (match) {
        this.#text = this.#text.slice(match.index + match[0].length)
        return match
      }
      await once(this.#socket, 'data', { signal: deadline }).catch(() => {
        throw new Error(
          `no answer from the unit's shell after ${patienceMs / 1000} s; it said ${JSON.stringify(this.#text.slice(-300))}`,
        )
      })
    }
  }
}
