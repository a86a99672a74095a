/** A person's handset on a socket of its own on this machine's loopback. */

import { createSocket, type Socket } from 'node:dgram'
import { type EventEmitter, once } from 'node:events'
import type { TestContext } from 'node:test'
import { SystemRandom } from '../../src/platform/random.ts'
import { udpFlow, udpFlowId } from '../../src/protocols/sip/flow.ts'
import { PresenceSource } from '../actors/presence-source.ts'
import { Registrant } from '../actors/registrant.ts'
import type { Endpoint } from '../actors/user-agent.ts'
import { Watcher } from '../actors/watcher.ts'
import type { Person } from './world.ts'

export const host = '127.0.0.1'

export class Handset implements Person {
  readonly aor: string
  readonly agent: Registrant
  readonly source: PresenceSource
  readonly watcher: Watcher
  readonly #socket: Socket
  readonly #happened: EventEmitter
  readonly #box: Endpoint
  #timer: NodeJS.Timeout | undefined

  private constructor(
    name: string,
    socket: Socket,
    box: number,
    happened: EventEmitter,
    compresses: boolean,
    seen?: Endpoint,
  ) {
    this.aor = `sip:${name.toLowerCase()}@box.example`
    this.#socket = socket
    this.#happened = happened
    this.#box = { address: host, port: box }
    const known = seen ?? this.#box
    this.agent = new Registrant({
      name,
      aor: this.aor,
      password: `secret of ${name}`,
      local: { address: host, port: socket.address().port },
      box: known,
      random: new SystemRandom(),
      compresses,
    })
    this.source = new PresenceSource(this.agent)
    this.watcher = new Watcher(this.agent)
    socket.on('message', bytes => {
      const flow = udpFlow(udpFlowId(host, socket.address().port, known.address, known.port))!
      this.agent.receive(bytes, flow, Date.now())
      this.transmit()
      happened.emit('something')
    })
  }

  /** `seen` is how the box knows itself, when datagrams to `box` are forwarded to it. */
  static async open(
    test: TestContext,
    name: string,
    box: number,
    happened: EventEmitter,
    compresses: boolean,
    seen?: Endpoint,
  ): Promise<Handset> {
    const socket = createSocket('udp4')
    socket.bind(0, host)
    await once(socket, 'listening')
    const handset = new Handset(name, socket, box, happened, compresses, seen)
    test.after(() => handset.close())
    return handset
  }

  /** Sends what the agent wants sent, and comes back when it has something to repeat. */
  transmit(): void {
    for (const transmit of this.agent.transmits()) {
      if (transmit.kind !== 'send') throw new Error(`a handset has a socket for datagrams only, not ${transmit.kind}`)
      this.#socket.send(transmit.bytes, this.#box.port, this.#box.address)
    }
    clearTimeout(this.#timer)
    const deadline = this.agent.deadline()
    if (deadline === undefined) return
    this.#timer = setTimeout(
      () => {
        this.agent.expire(Date.now())
        this.transmit()
        this.#happened.emit('something')
      },
      Math.max(0, deadline - Date.now()),
    )
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#socket.close()
  }
}
