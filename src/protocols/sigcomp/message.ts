/** The header of a SigComp message (RFC 3320 §7). */

import { DecompressionFailure } from './failure.ts'

/** What the fields before the remaining SigComp message say. */
export interface Header {
  /** The returned feedback field (RFC 3320 §7.1), without its length. */
  readonly returnedFeedback: Uint8Array | undefined
  /** 6, 9 or 12 octets of a state identifier; undefined when bytecode is uploaded. */
  readonly stateIdentifier: Uint8Array | undefined
  /** Uploaded bytecode; empty when a state is accessed. */
  readonly bytecode: Uint8Array
  /** The 4-bit destination field as it stands. */
  readonly destination: number
  /** Octets of the header, bytecode included: where the remaining message begins. */
  readonly length: number
}

const nothing = new Uint8Array(0)

/** Whether these octets begin a SigComp message: five bits set, as no UTF-8 text begins (RFC 3320 §3.1, RFC 5049 §5). */
export function isSigComp(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes[0]! >= 0xf8
}

/** The bytecode that outputs what follows it (RFC 4896 §11), with its header. */
const uncompressed = Uint8Array.of(0xf8, 0x00, 0xa1, 0x1c, 0x01, 0x86, 0x09, 0x22, 0x86, 0x01, 0x16, 0xf9, 0x23)

/** A text as a SigComp message that is not compressed: what goes on a stream that has to have SigComp only (RFC 5049 §5). */
export function uncompressedMessage(text: Uint8Array): Uint8Array {
  return Buffer.concat([uncompressed, text])
}

/** Reads the header. Throws MESSAGE_TOO_SHORT or INVALID_CODE_LOCATION. */
export function readHeader(message: Uint8Array): Header {
  if (!isSigComp(message)) throw new DecompressionFailure('MESSAGE_TOO_SHORT')
  const first = message[0]!
  let at = 1
  let returnedFeedback: Uint8Array | undefined
  if ((first & 4) !== 0) {
    const field = octet(message, at)
    // A clear first bit: the octet is the field. A set one: it says how many octets follow.
    const length = field < 128 ? 1 : field & 127
    if (field >= 128) at++
    if (at + length > message.length) throw new DecompressionFailure('MESSAGE_TOO_SHORT')
    returnedFeedback = message.subarray(at, at + length)
    at += length
  }
  const size = first & 3
  if (size !== 0) {
    const length = 3 + 3 * size
    if (at + length > message.length) throw new DecompressionFailure('MESSAGE_TOO_SHORT')
    const stateIdentifier = message.subarray(at, at + length)
    return { returnedFeedback, stateIdentifier, bytecode: nothing, destination: 0, length: at + length }
  }
  const codeLength = (octet(message, at) << 4) | (octet(message, at + 1) >> 4)
  const destination = message[at + 1]! & 15
  at += 2
  if (destination === 0) throw new DecompressionFailure('INVALID_CODE_LOCATION')
  if (at + codeLength > message.length) throw new DecompressionFailure('MESSAGE_TOO_SHORT')
  const bytecode = message.subarray(at, at + codeLength)
  return { returnedFeedback, stateIdentifier: undefined, bytecode, destination, length: at + codeLength }
}

function octet(message: Uint8Array, at: number): number {
  if (at >= message.length) throw new DecompressionFailure('MESSAGE_TOO_SHORT')
  return message[at]!
}
