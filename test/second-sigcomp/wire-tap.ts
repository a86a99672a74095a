/**
 * Reads what goes over a wire, compressed or not, with the second UDVM: it knows the static dictionaries and every state that
 * any message on the wire has asked for, and has nothing of the library that wrote them but the octets of its bytecode, which
 * endpoints of ours have and announce.
 */

import { codeState } from '../../src/protocols/sigcomp/bytecode.ts'
import { presenceDictionary, sipDictionary } from '../../src/protocols/sigcomp/index.ts'
import { type SecondState, secondDecompress, secondState } from './udvm.ts'

export class WireTap {
  compressed = 0
  plain = 0
  nacks = 0
  /** Messages that nobody could read: they refer to what a message wanted to be kept that never left. */
  unreadable = 0
  /** Octets on the wire, and of the texts they stand for. */
  octets = 0
  textOctets = 0
  /** By the first six octets of their identifiers, which are enough for a day. */
  readonly #states = new Map<string, SecondState>()

  constructor() {
    for (const state of [sipDictionary, presenceDictionary, codeState])
      this.#keep(secondState(state.value, state.address, state.instruction, state.minimumAccessLength))
  }

  /** The text of a datagram; undefined for a NACK. Throws what makes it unreadable. */
  text(octets: Buffer): Buffer | undefined {
    const text = this.#read(octets)
    this.octets += octets.length
    this.textOctets += text?.length ?? 0
    return text
  }

  #read(octets: Buffer): Buffer | undefined {
    if (octets[0]! < 0xf8) {
      this.plain++
      return octets
    }
    if (octets[0] === 0xf8 && octets[1] === 0 && octets[2]! < 16) {
      this.nacks++
      return undefined
    }
    this.compressed++
    const { output, created } = secondDecompress(octets, {
      memorySize: 8192 - octets.length,
      cyclesPerBit: 16,
      version: 2,
      outputLimit: 65536,
      find: partial => this.#states.get(partial.toString('hex', 0, 6)),
    })
    for (const state of created) this.#keep(state)
    if (output === undefined) throw new Error('a compressed message without a text')
    // What the text could be shared as (RFC 3321 §5.2).
    this.#keep(secondState(output, 0, 0, 6))
    return output
  }

  #keep(state: SecondState): void {
    this.#states.set(state.identifier.slice(0, 12), state)
  }
}
