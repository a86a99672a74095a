/** A transport's user that keeps what it hears and lets a test wait for it. */

import type { TransportUser } from '../../../../src/platform/transport/transport.ts'
import type { Flow } from '../../../../src/protocols/sip/flow.ts'

export type Heard =
  | { readonly kind: 'received'; readonly bytes: Buffer; readonly flow: Flow }
  | { readonly kind: 'connected'; readonly connection: string; readonly flow: Flow }
  | { readonly kind: 'disconnected'; readonly name: string; readonly reason: string }

export class Recorder implements TransportUser {
  readonly heard: Heard[] = []
  #waiting: Array<() => void> = []

  received(bytes: Buffer, flow: Flow): void {
    this.#note({ kind: 'received', bytes, flow })
  }

  connected(connection: string, flow: Flow): void {
    this.#note({ kind: 'connected', connection, flow })
  }

  disconnected(name: string, reason: string): void {
    this.#note({ kind: 'disconnected', name, reason })
  }

  resolved(): void {}

  /** The first thing of this kind, heard already or later; it is then taken out. */
  async next<K extends Heard['kind']>(kind: K): Promise<Extract<Heard, { kind: K }>> {
    for (;;) {
      const index = this.heard.findIndex(heard => heard.kind === kind)
      if (index >= 0) return this.heard.splice(index, 1)[0] as Extract<Heard, { kind: K }>
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }

  #note(heard: Heard): void {
    this.heard.push(heard)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}
