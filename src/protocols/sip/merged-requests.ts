/**
 * Merged requests (RFC 3261 §8.2.2.2): the same request that has come by two ways, in two transactions. Requests are told
 * apart by two independent 30-bit digests of From tag, Call-ID and CSeq: a few octets each, where the texts would be kept
 * for as long as their transactions are.
 */

import type { SipRequest } from './message.ts'

/** What a transaction keeps of its request. Both are 0 for a request that cannot be merged. */
export interface Mergeable {
  mergeDigest: number
  mergeCheck: number
}

export class MergedRequests {
  /** Makes digests unpredictable to senders. */
  readonly #seed: number
  /** The check of the first request with a digest. */
  readonly #first = new Map<number, number>()

  constructor(seed: number) {
    this.#seed = seed
  }

  /** Notes the request of a new transaction; true when another transaction had it first. Requests with a To tag are in a dialog. */
  note(transaction: Mergeable, request: SipRequest): boolean {
    if (request.to.params.has('tag')) return false
    const tag = request.from.params.get('tag') ?? ''
    const { number, method } = request.cseq
    const digest = digestOf(request.callId, tag, method, number, this.#seed)
    const check = digestOf(tag, request.callId, method, ~number, ~this.#seed)
    const first = this.#first.get(digest)
    if (first !== undefined) return first === check
    transaction.mergeDigest = digest
    transaction.mergeCheck = check
    this.#first.set(digest, check)
    return false
  }

  forget({ mergeDigest, mergeCheck }: Mergeable): void {
    if (this.#first.get(mergeDigest) === mergeCheck) this.#first.delete(mergeDigest)
  }
}

/** Not cryptographic (FNV-1a with a secret start): who finds two requests with one digest has refused a request of his own. */
function digestOf(first: string, second: string, third: string, number: number, seed: number): number {
  let hash = Math.imul(seed ^ number, 0x01000193)
  for (let i = 0; i < first.length; i++) hash = Math.imul(hash ^ first.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ 0xff, 0x01000193)
  for (let i = 0; i < second.length; i++) hash = Math.imul(hash ^ second.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ 0xff, 0x01000193)
  for (let i = 0; i < third.length; i++) hash = Math.imul(hash ^ third.charCodeAt(i), 0x01000193)
  // 30 bits: a small integer, which a Map holds without a box.
  return (hash ^ (hash >>> 15)) & 0x3fffffff
}
