/**
 * Answered requests other than INVITE that came by UDP: what is left of their server transactions in the "Completed" state
 * (RFC 3261 §17.2.2), which does nothing but send the answer again when the request comes again, until Timer J. A server
 * remembers thousands of these for each request it has in hand, so they are a row of octets outside the heap: as objects they
 * would live just long enough to be copied twice, and then die where only a collection of the whole heap finds them.
 */

import type { Mergeable } from './merged-requests.ts'
import type { Timed } from './timers.ts'

/** What is sent again, and where. */
export type Answer = {
  readonly flow: string
  /** Empty when the request is only to be absorbed. */
  readonly bytes: Buffer
}

/** Records stand one behind the other in chunks this long; a longer record has a chunk of its own. */
const chunkOctets = 2 ** 16
/** Chunks are numbered round and round, so that the position of a record is a small integer, which a Map holds without a box. */
const chunkNumbers = 2 ** 14

type Chunk = { readonly octets: Buffer; readonly view: DataView; end: number }

// A record: these, then key, flow and answer.
const ENDS_AT = 0
const HASH = 8
const MERGE_DIGEST = 12
const MERGE_CHECK = 16
const KEY_LENGTH = 20
const FLOW_LENGTH = 24
const ANSWER_LENGTH = 28
const HEADER_LENGTH = 32

export class AnsweredRequests implements Timed {
  readonly kind = 'answered'
  deadline = 0
  queue = -1
  previousTimed: Timed | undefined = undefined
  nextTimed: Timed | undefined = undefined

  readonly #octetLimit: number
  /** Makes hashes unpredictable to senders. */
  readonly #seed: number
  readonly #chunks: Chunk[] = []
  /** The one that was emptied last, to be used again. */
  #spare: Chunk | undefined
  /** The number of the first chunk. */
  #firstNumber = 0
  /** Where the oldest record begins in the first chunk. */
  #start = 0
  #octets = 0
  /** The position of the latest record with a hash: the number of its chunk, and where in it. */
  readonly #positions = new Map<number, number>()
  size = 0

  /** Room for `octetLimit` octets; when there is none, the oldest are to be forgotten. */
  constructor(octetLimit: number, seed: number) {
    this.#octetLimit = octetLimit
    this.#seed = seed
  }

  get isFull(): boolean {
    return this.#octets > this.#octetLimit
  }

  /** When the oldest is to be forgotten; undefined when there is none. */
  get firstEnd(): number | undefined {
    return this.size === 0 ? undefined : this.#chunks[0]!.view.getFloat64(this.#start + ENDS_AT)
  }

  /** The answer to the request whose transaction had this key. */
  find(key: string): Answer | undefined {
    const position = this.#positions.get(this.#hash(key))
    if (position === undefined) return undefined
    const number = Math.floor(position / chunkOctets)
    const { octets, view } = this.#chunks[(number - this.#firstNumber + chunkNumbers) % chunkNumbers]!
    const start = position % chunkOctets
    const keyAt = start + HEADER_LENGTH
    const flowAt = keyAt + view.getUint32(start + KEY_LENGTH)
    if (octets.toString('utf8', keyAt, flowAt) !== key) return undefined
    const answerAt = flowAt + view.getUint32(start + FLOW_LENGTH)
    const end = answerAt + view.getUint32(start + ANSWER_LENGTH)
    // A copy: the chunk may be used for others before this has left.
    return { flow: octets.toString('utf8', flowAt, answerAt), bytes: Buffer.from(octets.subarray(answerAt, end)) }
  }

  /** Keeps an answer until `endsAt`, which is never earlier than that of one kept before. Another one with the same hash is lost. */
  add(key: string, flow: string, bytes: Uint8Array, { mergeDigest, mergeCheck }: Mergeable, endsAt: number): void {
    const chunk = this.#chunkFor(HEADER_LENGTH + 3 * (key.length + flow.length) + bytes.length)
    const { octets, view, end: start } = chunk
    const hash = this.#hash(key)
    const keyAt = start + HEADER_LENGTH
    const flowAt = keyAt + octets.write(key, keyAt)
    const answerAt = flowAt + octets.write(flow, flowAt)
    octets.set(bytes, answerAt)
    view.setFloat64(start + ENDS_AT, endsAt)
    view.setInt32(start + HASH, hash)
    view.setInt32(start + MERGE_DIGEST, mergeDigest)
    view.setInt32(start + MERGE_CHECK, mergeCheck)
    view.setUint32(start + KEY_LENGTH, flowAt - keyAt)
    view.setUint32(start + FLOW_LENGTH, answerAt - flowAt)
    view.setUint32(start + ANSWER_LENGTH, bytes.length)
    chunk.end = answerAt + bytes.length
    this.#octets += chunk.end - start
    this.#positions.set(hash, this.#position(this.#chunks.length - 1, start))
    this.size++
  }

  /** Forgets the oldest, and returns what it had of others of its kind. There must be one. */
  removeFirst(): Mergeable {
    const { view, end } = this.#chunks[0]!
    const start = this.#start
    const hash = view.getInt32(start + HASH)
    const merge = { mergeDigest: view.getInt32(start + MERGE_DIGEST), mergeCheck: view.getInt32(start + MERGE_CHECK) }
    const length =
      HEADER_LENGTH +
      view.getUint32(start + KEY_LENGTH) +
      view.getUint32(start + FLOW_LENGTH) +
      view.getUint32(start + ANSWER_LENGTH)
    if (this.#positions.get(hash) === this.#position(0, start)) this.#positions.delete(hash)
    this.#octets -= length
    this.size--
    this.#start += length
    if (this.#start === end) this.#dropFirstChunk()
    return merge
  }

  #position(chunk: number, start: number): number {
    return ((this.#firstNumber + chunk) % chunkNumbers) * chunkOctets + start
  }

  #dropFirstChunk(): void {
    const chunk = this.#chunks.shift()!
    this.#firstNumber = (this.#firstNumber + 1) % chunkNumbers
    this.#start = 0
    chunk.end = 0
    if (chunk.octets.length === chunkOctets) this.#spare = chunk
  }

  /** The last chunk, or a new one if it has not that much room. */
  #chunkFor(length: number): Chunk {
    const last = this.#chunks.at(-1)
    // A longer chunk takes no second record: positions reach no further than those of the others.
    if (last !== undefined && last.octets.length === chunkOctets && last.end + length <= chunkOctets) return last
    const chunk = length > chunkOctets ? newChunk(length) : (this.#spare ?? newChunk(chunkOctets))
    if (chunk === this.#spare) this.#spare = undefined
    this.#chunks.push(chunk)
    return chunk
  }

  /** Not cryptographic (FNV-1a with a secret start). 30 bits: a small integer, too. */
  #hash(key: string): number {
    let hash = this.#seed
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
    return (hash ^ (hash >>> 15)) & 0x3fffffff
  }
}

function newChunk(length: number): Chunk {
  const octets = Buffer.allocUnsafeSlow(length)
  return { octets, view: new DataView(octets.buffer), end: 0 }
}
