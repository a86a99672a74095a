/** Negative acknowledgements (RFC 4077 §3). */

import { createHash } from 'node:crypto'
import { type DecompressionFailure, type Reason, reasons } from './failure.ts'

/** What a NACK tells. */
export interface Nack {
  /** Undefined for a code that RFC 4077 does not name. */
  readonly reason: Reason | undefined
  readonly opcode: number
  readonly programCounter: number
  /** SHA-1 of the message that failed, 20 octets; all zero after a framing error. */
  readonly hash: Uint8Array
  readonly details: Uint8Array
}

/** Octets before the details: header, code_len with version, reason, opcode, program counter, hash. */
const fixedLength = 3 + 1 + 1 + 2 + 20
/** Details are a state identifier at most. */
const longestDetails = 20

const reasonByCode = new Map(Object.entries(reasons).map(([reason, code]) => [code as number, reason as Reason]))

/** The NACK for a failed message; `message` is undefined after a framing error (RFC 4077 §3.2). */
export function writeNack(failure: DecompressionFailure, message: Uint8Array | undefined): Uint8Array {
  const details = failure.details.subarray(0, longestDetails)
  const bytes = new Uint8Array(fixedLength + details.length)
  bytes[0] = 0xf8
  bytes[2] = 1
  bytes[3] = reasons[failure.reason]
  bytes[4] = failure.opcode
  bytes[5] = failure.programCounter >> 8
  bytes[6] = failure.programCounter & 255
  if (message !== undefined) bytes.set(createHash('sha1').update(message).digest(), 7)
  bytes.set(details, fixedLength)
  return bytes
}

/**
 * Reads a NACK of version 1. Undefined for any other message, and for one that is a NACK by its header but too short:
 * `isNack` tells these apart.
 */
export function readNack(message: Uint8Array): Nack | undefined {
  const at = nackVersionAt(message)
  if (at === undefined || (message[at]! & 15) !== 1 || message.length < at + 25) return undefined
  return {
    reason: reasonByCode.get(message[at + 1]!),
    opcode: message[at + 2]!,
    programCounter: (message[at + 3]! << 8) | message[at + 4]!,
    hash: message.subarray(at + 5, at + 25),
    details: message.subarray(at + 25, at + 25 + longestDetails),
  }
}

/** Whether a message has the form of a NACK of any version; such a message is never answered by another. */
export function isNack(message: Uint8Array): boolean {
  return nackVersionAt(message) !== undefined
}

/** Where the octet is that ends code_len = 0 and says the version; undefined when this is no NACK. */
function nackVersionAt(message: Uint8Array): number | undefined {
  if (message.length < 3 || (message[0]! & 0xfb) !== 0xf8) return undefined
  let at = 1
  if ((message[0]! & 4) !== 0) at += message[1]! < 128 ? 1 : 1 + (message[1]! & 127)
  if (at + 1 >= message.length || message[at] !== 0 || message[at + 1]! > 15) return undefined
  return message[at + 1] === 0 ? undefined : at + 1
}
