/** The flows of one UDP socket, remembered by name and by the peer's port: shared by its implementations. */

import { type Flow, udpFlow, udpFlowId, udpFlowPrefix } from '../../protocols/sip/flow.ts'

export class UdpFlows<Peer extends { readonly flow: Flow }> {
  readonly #address: string
  readonly #port: number
  readonly #prefix: string
  readonly #limit: number
  readonly #peer: (flow: Flow) => Peer | undefined
  /** One peer each, the latest. Most clients have a port of their own, and the others cost one look-up by name. */
  readonly #byPort = new Map<number, Peer>()
  readonly #byName = new Map<string, Peer>()

  /** `limit` flows are remembered. `peer` makes what is kept with a flow, or says that there can be none. */
  constructor(address: string, port: number, limit: number, peer: (flow: Flow) => Peer | undefined) {
    this.#address = address
    this.#port = port
    this.#prefix = udpFlowPrefix(address, port)
    this.#limit = limit
    this.#peer = peer
  }

  owns(name: string): boolean {
    return name.startsWith(this.#prefix)
  }

  /** The peer from whose port something came last; the address may be another. */
  lastFrom(port: number): Peer | undefined {
    return this.#byPort.get(port)
  }

  /** The peer from whom something has come. */
  from(address: string, port: number): Peer | undefined {
    const id = udpFlowId(this.#address, this.#port, address, port)
    const peer =
      this.#byName.get(id) ??
      this.#remember({
        id,
        transport: 'udp',
        localAddress: this.#address,
        localPort: this.#port,
        remoteAddress: address,
        remotePort: port,
      })
    if (peer !== undefined) this.#byPort.set(port, peer)
    return peer
  }

  /** The peer of the flow with this name, known before or not; undefined when it is not the name of a flow. */
  named(name: string): Peer | undefined {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const flow = udpFlow(name)
    return flow && this.#remember(flow)
  }

  #remember(flow: Flow): Peer | undefined {
    const peer = this.#peer(flow)
    if (peer === undefined) return undefined
    if (this.#byName.size >= this.#limit) {
      this.#byName.clear()
      this.#byPort.clear()
    }
    this.#byName.set(flow.id, peer)
    return peer
  }
}
