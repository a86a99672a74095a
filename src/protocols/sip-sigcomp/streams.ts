/**
 * What each connection carries: SIP or SigComp messages, never both (RFC 5049 §5). The first octet of a stream decides, or the
 * first message that we send on it.
 */

import { markRecord, RecordMarking } from '../sigcomp/index.ts'
import type { Flow } from '../sip/flow.ts'

export interface Stream {
  readonly flow: Flow
  /** What comes: undefined before the first octet. */
  marking: RecordMarking | 'plain' | undefined
  /** What leaves: undefined while nothing has come or left. */
  leaving: 'sigcomp' | 'plain' | undefined
  /** Since when a message is waited for that has begun; 0 when none is. */
  partialSince: number
  /** Set when it cannot be understood any more: the rest of it is not read. */
  isLost: boolean
}

export class Streams {
  readonly #messageLimit: number
  readonly #partialMs: number
  readonly #byFlow = new Map<string, Stream>()
  /** Those of which a message has begun and not ended, the longest waiting first. */
  readonly #partial = new Set<Stream>()

  /** `messageLimit`: octets of one compressed message; `partialMs`: how long its rest is awaited. */
  constructor(messageLimit: number, partialMs: number) {
    this.#messageLimit = messageLimit
    this.#partialMs = partialMs
  }

  get(flow: string): Stream | undefined {
    return this.#byFlow.get(flow)
  }

  /** The stream of a connection, which stands from here on. */
  of(flow: Flow): Stream {
    let stream = this.#byFlow.get(flow.id)
    if (stream === undefined) {
      stream = { flow, marking: undefined, leaving: undefined, partialSince: 0, isLost: false }
      this.#byFlow.set(flow.id, stream)
    }
    return stream
  }

  /** The messages that these octets complete; 'plain' when they are SIP. Throws what `RecordMarking.push` throws. */
  push(stream: Stream, octets: Uint8Array, messages: Uint8Array[], now: number): 'plain' | undefined {
    if (stream.marking === undefined) {
      const isSigComp = octets[0]! >= 0xf8
      stream.marking = isSigComp ? new RecordMarking(this.#messageLimit) : 'plain'
      stream.leaving ??= isSigComp ? 'sigcomp' : 'plain'
    }
    if (stream.marking === 'plain') return 'plain'
    stream.marking.push(octets, messages)
    if (messages.length > 0 || !stream.marking.isPartial) {
      stream.partialSince = 0
      this.#partial.delete(stream)
    }
    if (stream.marking.isPartial && stream.partialSince === 0) {
      stream.partialSince = now
      this.#partial.add(stream)
    }
    return undefined
  }

  lost(flow: string): void {
    const stream = this.#byFlow.get(flow)
    if (stream === undefined) return
    stream.isLost = true
    this.#partial.delete(stream)
  }

  ended(flow: string): void {
    const stream = this.#byFlow.get(flow)
    if (stream !== undefined) this.#partial.delete(stream)
    this.#byFlow.delete(flow)
  }

  /** When the first message that does not go on has been awaited long enough. */
  get deadline(): number | undefined {
    for (const { partialSince } of this.#partial) return partialSince + this.#partialMs
    return undefined
  }

  /** Connections to close since the rest of a message has not come. */
  overdue(now: number): string[] {
    const flows: string[] = []
    for (const stream of this.#partial) {
      if (stream.partialSince + this.#partialMs > now) break
      flows.push(stream.flow.id)
      this.#partial.delete(stream)
    }
    return flows
  }
}

/** A message as it goes on a stream. */
export function asRecord(message: Uint8Array): Buffer {
  const record = markRecord(message)
  return Buffer.from(record.buffer, record.byteOffset, record.length)
}
