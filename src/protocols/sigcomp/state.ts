/**
 * State items and the memory of compartments: created, found, freed and pushed out as RFC 3320 §6.2 says, with the
 * corrections of RFC 4896 §5 and §6.
 */

import { createHash } from 'node:crypto'
import { DecompressionFailure } from './failure.ts'

/** What each state item costs in a compartment beside its value (RFC 3320 §6.2). */
export const stateOverhead = 64

/** The priority of locally available state: freed before all others (RFC 3320 §6.2 step 5). */
export const localPriority = 65535

/** One state item (RFC 3320 §3.3.3). Its identifier is the SHA-1 of the rest. */
export class StateItem {
  readonly identifier: Uint8Array
  readonly value: Uint8Array
  readonly address: number
  readonly instruction: number
  readonly minimumAccessLength: number
  /** Compartments that list it; one more when it is available locally without a compartment. */
  holders = 0

  constructor(value: Uint8Array, address: number, instruction: number, minimumAccessLength: number) {
    this.value = value
    this.address = address
    this.instruction = instruction
    this.minimumAccessLength = minimumAccessLength
    this.identifier = stateIdentifier(value, address, instruction, minimumAccessLength)
  }

  /** Octets of state memory it takes. */
  get cost(): number {
    return this.value.length + stateOverhead
  }
}

const identifierHead = Buffer.alloc(8)

/** SHA-1 over length, address, instruction, minimum access length and value (RFC 3320 §9.4.9). */
function stateIdentifier(value: Uint8Array, address: number, instruction: number, accessLength: number): Uint8Array {
  identifierHead.writeUInt16BE(value.length & 0xffff, 0)
  identifierHead.writeUInt16BE(address, 2)
  identifierHead.writeUInt16BE(instruction, 4)
  identifierHead.writeUInt16BE(accessLength, 6)
  return new Uint8Array(createHash('sha1').update(identifierHead).update(value).digest())
}

/** All state items of an endpoint, found by the first octets of their identifiers. */
export class StateStore {
  /** By the first six octets as a number; nearly always one item each. */
  readonly #byPrefix = new Map<number, StateItem | StateItem[]>()
  #count = 0

  /** How many items there are. */
  get size(): number {
    return this.#count
  }

  /**
   * The one item whose identifier begins with `partial`, 6 to 20 octets (RFC 3320 §7.2, §9.4.5). Throws STATE_NOT_FOUND,
   * also when it may not be had for so few octets, or ID_NOT_UNIQUE.
   */
  access(partial: Uint8Array): StateItem {
    const found = this.#byPrefix.get(prefixOf(partial))
    let item: StateItem | undefined
    if (found instanceof StateItem) {
      if (beginsWith(found.identifier, partial)) item = found
    } else if (found !== undefined) {
      for (const each of found) {
        if (!beginsWith(each.identifier, partial)) continue
        if (item !== undefined) throw new DecompressionFailure('ID_NOT_UNIQUE', Uint8Array.from(partial))
        item = each
      }
    }
    if (item === undefined || item.minimumAccessLength > partial.length)
      throw new DecompressionFailure('STATE_NOT_FOUND', Uint8Array.from(partial))
    return item
  }

  /**
   * The item as it is kept: the one already there when it is the same (RFC 3320 §6.2 step 3), with one more holder.
   * Undefined when another item has its identifier.
   */
  hold(item: StateItem): StateItem | undefined {
    const prefix = prefixOf(item.identifier)
    const found = this.#byPrefix.get(prefix)
    const others = found === undefined ? [] : found instanceof StateItem ? [found] : found
    for (const each of others) {
      if (!beginsWith(each.identifier, item.identifier)) continue
      if (!sameItem(each, item)) return undefined
      each.holders++
      return each
    }
    this.#byPrefix.set(prefix, others.length === 0 ? item : [...others, item])
    this.#count++
    item.holders = 1
    return item
  }

  /** One holder less; the item is gone with the last. */
  release(item: StateItem): void {
    if (--item.holders > 0) return
    const prefix = prefixOf(item.identifier)
    const found = this.#byPrefix.get(prefix)
    if (found === item) this.#byPrefix.delete(prefix)
    else if (Array.isArray(found)) {
      const left = found.filter(each => each !== item)
      this.#byPrefix.set(prefix, left.length === 1 ? left[0]! : left)
    } else return
    this.#count--
  }
}

interface Listed {
  readonly item: StateItem
  readonly priority: number
}

/** The state that one compartment has created, oldest first, within its state memory. */
export class StateMemory {
  readonly #store: StateStore
  #limit: number
  #used = 0
  readonly #listed: Listed[] = []

  /** `limit` is the state_memory_size in octets. */
  constructor(store: StateStore, limit: number) {
    this.#store = store
    this.#limit = limit
  }

  /** state_memory_size in octets. */
  get limit(): number {
    return this.#limit
  }

  /** Octets in use, 64 for each item included. */
  get used(): number {
    return this.#used
  }

  /** The items, oldest first. */
  get items(): readonly StateItem[] {
    return this.#listed.map(({ item }) => item)
  }

  /**
   * Takes in a state item (RFC 3320 §6.2 steps 1 to 5): cut to the state memory, known ones renewed in age and priority
   * (RFC 4896 §5.2, §6), others pushed out for it. False when it was refused.
   */
  create(item: StateItem, priority: number): boolean {
    if (this.#limit <= stateOverhead) return false
    const most = this.#limit - stateOverhead
    const wanted =
      item.value.length <= most
        ? item
        : new StateItem(item.value.slice(0, most), item.address, item.instruction, item.minimumAccessLength)
    const at = this.#listed.findIndex(({ item: each }) => beginsWith(each.identifier, wanted.identifier))
    if (at >= 0) {
      const { item: known } = this.#listed[at]!
      if (!sameItem(known, wanted)) return false
      this.#listed.splice(at, 1)
      this.#listed.push({ item: known, priority })
      return true
    }
    const held = this.#store.hold(wanted)
    if (held === undefined) return false
    while (this.#used + held.cost > this.#limit) this.#free(this.#firstToGo())
    this.#listed.push({ item: held, priority })
    this.#used += held.cost
    return true
  }

  /**
   * Takes in a shared state (RFC 3321 §5.2): a state of the lowest priority, only where nothing of the peer's own has to
   * leave for it. At most `most` of them stay.
   */
  createLocal(item: StateItem, most: number): boolean {
    const local = this.#listed.filter(({ priority }) => priority === localPriority)
    const others = local.reduce((sum, { item: each }) => sum - each.cost, this.#used)
    if (most === 0 || others + item.cost > this.#limit) return false
    if (local.length >= most && !local.some(({ item: each }) => beginsWith(each.identifier, item.identifier)))
      this.#free(this.#listed.findIndex(({ priority }) => priority === localPriority))
    return this.create(item, localPriority)
  }

  /** Frees the item whose identifier begins so, if it is exactly one (RFC 3320 §9.4.9, RFC 4896 §3.3). */
  free(partial: Uint8Array): void {
    let at = -1
    for (let i = 0; i < this.#listed.length; i++) {
      if (!beginsWith(this.#listed[i]!.item.identifier, partial)) continue
      if (at >= 0) return
      at = i
    }
    if (at >= 0) this.#free(at)
  }

  /** Frees everything. With a smaller `limit` from here on, if given (RFC 3320 §9.4.9, S-bit). */
  clear(limit: number = this.#limit): void {
    while (this.#listed.length > 0) this.#free(this.#listed.length - 1)
    this.#limit = limit
  }

  #free(at: number): void {
    const [gone] = this.#listed.splice(at, 1)
    this.#used -= gone!.item.cost
    this.#store.release(gone!.item)
  }

  /** The oldest of the lowest priority, 65535 being the lowest (RFC 3320 §6.2 step 5, RFC 4896 §5.1). */
  #firstToGo(): number {
    let first = 0
    for (let i = 1; i < this.#listed.length; i++)
      if (rank(this.#listed[i]!.priority) < rank(this.#listed[first]!.priority)) first = i
    return first
  }
}

function rank(priority: number): number {
  return priority === localPriority ? -1 : priority
}

/** The first six octets as a number. */
function prefixOf(bytes: Uint8Array): number {
  return (
    ((bytes[0]! << 16) | (bytes[1]! << 8) | bytes[2]!) * 0x1000000 + ((bytes[3]! << 16) | (bytes[4]! << 8) | bytes[5]!)
  )
}

function beginsWith(identifier: Uint8Array, partial: Uint8Array): boolean {
  for (let i = 0; i < partial.length; i++) if (identifier[i] !== partial[i]) return false
  return true
}

function sameItem(a: StateItem, b: StateItem): boolean {
  return (
    a.address === b.address &&
    a.instruction === b.instruction &&
    a.minimumAccessLength === b.minimumAccessLength &&
    Buffer.compare(a.value, b.value) === 0
  )
}
