/** SigComp messages on a stream: delimiting by 0xFFFF and quoting of 0xFF (RFC 3320 §4.2.2). */

import { DecompressionFailure } from './failure.ts'

/** Cuts a stream into SigComp messages. */
export class RecordMarking {
  readonly #limit: number
  #buffer: Uint8Array
  #filled = 0
  /** Octets still to be taken as they are. */
  #quoted = 0
  #afterMark = false
  #lost = false

  /** `limit`: octets of one message; more is a failure. */
  constructor(limit: number) {
    this.#limit = limit
    this.#buffer = new Uint8Array(Math.min(limit, 512))
  }

  /** True while a message has begun and not ended. */
  get isPartial(): boolean {
    return this.#filled > 0 || this.#afterMark || this.#quoted > 0
  }

  /**
   * The messages that these octets complete, in order; empty ones, as between two delimiters, are passed over. Throws
   * FRAMING_ERROR for 0xFF80 to 0xFFFE and OUTPUT_OVERFLOW for a message over the limit: the stream must be closed then,
   * and every further call throws. `messages` holds what was complete before that.
   */
  push(chunk: Uint8Array, messages: Uint8Array[] = []): Uint8Array[] {
    if (this.#lost) throw new DecompressionFailure('FRAMING_ERROR')
    let at = 0
    while (at < chunk.length) {
      if (this.#afterMark) {
        const mark = chunk[at++]!
        this.#afterMark = false
        if (mark < 128) {
          this.#append(ff)
          this.#quoted = mark
        } else if (mark === 255) {
          if (this.#filled > 0) messages.push(this.#buffer.slice(0, this.#filled))
          this.#filled = 0
        } else {
          this.#lost = true
          throw new DecompressionFailure('FRAMING_ERROR')
        }
        continue
      }
      let end: number
      if (this.#quoted > 0) {
        end = Math.min(chunk.length, at + this.#quoted)
        this.#quoted -= end - at
      } else {
        end = chunk.indexOf(255, at)
        if (end < 0) end = chunk.length
        else this.#afterMark = true
      }
      if (end > at) this.#append(chunk.subarray(at, end))
      at = this.#afterMark ? end + 1 : end
    }
    return messages
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#filled + bytes.length
    if (needed > this.#limit) {
      this.#lost = true
      throw new DecompressionFailure('OUTPUT_OVERFLOW')
    }
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.min(this.#limit, Math.max(needed, 2 * this.#buffer.length)))
      larger.set(this.#buffer.subarray(0, this.#filled))
      this.#buffer = larger
    }
    this.#buffer.set(bytes, this.#filled)
    this.#filled = needed
  }
}

const ff = Uint8Array.of(255)

/** A message as it goes on a stream: 0xFF quoted, with the delimiter at its end. */
export function markRecord(message: Uint8Array): Uint8Array {
  let marks = 0
  for (let i = 0; i < message.length; i++) if (message[i] === 255) marks++
  const out = new Uint8Array(message.length + marks + 2)
  let to = 0
  for (let i = 0; i < message.length; ) {
    const octet = message[i++]!
    out[to++] = octet
    if (octet !== 255) continue
    // The mark says how many octets follow as they are; quoting up to the last 0xFF in reach saves their own marks.
    let quoted = 0
    for (let ahead = Math.min(message.length - i, 127); ahead > 0; ahead--) {
      if (message[i + ahead - 1] !== 255) continue
      quoted = ahead
      break
    }
    out[to++] = quoted
    out.set(message.subarray(i, i + quoted), to)
    to += quoted
    i += quoted
  }
  out[to++] = 255
  out[to++] = 255
  return out.subarray(0, to)
}
