/**
 * The applications we have compartments with (RFC 5049 §9), by name: who has opened each, from where, and when it was last
 * used. Bounded: for each user, for those whom nobody has vouched for yet, and in all.
 */

export interface PeerLimits {
  /** Compartments at once. Of these at most half have been opened by us only, to send something. */
  readonly compartments: number
  /** Compartments that one user has opened; one more closes the one not used for longest. */
  readonly perUser: number
  /** A compartment not used for so long is closed, milliseconds. */
  readonly idleMs: number
}

interface Peer {
  readonly name: string
  readonly address: string
  /** The user whose message has opened it; undefined while we alone have. */
  owner: string | undefined
  /** By which its owner was heard last. */
  flow: string
  usedAt: number
}

/**
 * The name of a compartment (RFC 5049 §9.1): an identifier, good at one address only, so that nobody takes another's from
 * elsewhere; for an application without one, where its datagrams come from or its connection, which is the flow.
 */
export function peerName(id: string | undefined, address: string, flow: string): string {
  return id === undefined ? flow : `${id} ${address}`
}

export class Peers {
  readonly #limits: PeerLimits
  readonly #close: (name: string) => void
  /** In order of use. */
  readonly #byName = new Map<string, Peer>()
  /** How many each user has opened. */
  readonly #perOwner = new Map<string, number>()
  /** How many stand for each address that has been vouched for. */
  readonly #perAddress = new Map<string, number>()
  #ownerless = 0

  /** `close` ends a compartment. */
  constructor(limits: PeerLimits, close: (name: string) => void) {
    this.#limits = limits
    this.#close = close
  }

  get size(): number {
    return this.#byName.size
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** Whether a user has been heard from this address compressed. */
  isKnownAddress(address: string): boolean {
    return this.#perAddress.has(address)
  }

  /**
   * A message that `owner` was proven to have sent belongs to this compartment, which is opened if need be. False when it is
   * somebody else's and the message has not come by the flow of its owner: nothing of it may be kept (RFC 3320 §9).
   */
  heard(name: string, owner: string, flow: string, address: string, now: number): boolean {
    let peer = this.#byName.get(name)
    if (peer === undefined) {
      if ((this.#perOwner.get(owner) ?? 0) >= this.#limits.perUser) this.#closeFirst(each => each.owner === owner)
      peer = this.#open(name, address, flow, now)
    } else if (peer.owner !== undefined && peer.owner !== owner && peer.flow !== flow) return false
    if (peer.owner === undefined) {
      this.#ownerless--
      peer.owner = owner
      count(this.#perOwner, owner, 1)
      count(this.#perAddress, address, 1)
    }
    peer.flow = flow
    this.#used(peer, now)
    return true
  }

  /** Something is to be sent there: opens the compartment if need be, as after a restart, when stored contacts still ask. */
  addressed(name: string, address: string, now: number): void {
    const known = this.#byName.get(name)
    if (known === undefined && 2 * (this.#ownerless + 1) > this.#limits.compartments)
      this.#closeFirst(each => each.owner === undefined)
    this.#used(known ?? this.#open(name, address, '', now), now)
  }

  close(name: string): void {
    const peer = this.#byName.get(name)
    if (peer === undefined) return
    this.#byName.delete(name)
    if (peer.owner === undefined) this.#ownerless--
    else {
      count(this.#perOwner, peer.owner, -1)
      count(this.#perAddress, peer.address, -1)
    }
    this.#close(name)
  }

  #open(name: string, address: string, flow: string, now: number): Peer {
    for (const [oldest, { usedAt }] of this.#byName) {
      if (usedAt + this.#limits.idleMs > now && this.#byName.size < this.#limits.compartments) break
      this.close(oldest)
    }
    this.#ownerless++
    return { name, address, owner: undefined, flow, usedAt: now }
  }

  #used(peer: Peer, now: number): void {
    peer.usedAt = now
    this.#byName.delete(peer.name)
    this.#byName.set(peer.name, peer)
  }

  #closeFirst(which: (peer: Peer) => boolean): void {
    for (const [name, peer] of this.#byName)
      if (which(peer)) {
        this.close(name)
        return
      }
  }
}

function count(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const next = (counts.get(key) ?? 0) + change
  if (next === 0) counts.delete(key)
  else counts.set(key, next)
}
