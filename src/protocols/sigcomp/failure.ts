/** Why a message could not be decompressed: the reasons of RFC 4077 §3.2, in numbers and words. */

/** The reason codes of RFC 4077 §3.2, Figure 2. */
export const reasons = {
  STATE_NOT_FOUND: 1,
  CYCLES_EXHAUSTED: 2,
  USER_REQUESTED: 3,
  SEGFAULT: 4,
  TOO_MANY_STATE_REQUESTS: 5,
  INVALID_STATE_ID_LENGTH: 6,
  INVALID_STATE_PRIORITY: 7,
  OUTPUT_OVERFLOW: 8,
  STACK_UNDERFLOW: 9,
  BAD_INPUT_BITORDER: 10,
  DIV_BY_ZERO: 11,
  SWITCH_VALUE_TOO_HIGH: 12,
  TOO_MANY_BITS_REQUESTED: 13,
  INVALID_OPERAND: 14,
  HUFFMAN_NO_MATCH: 15,
  MESSAGE_TOO_SHORT: 16,
  INVALID_CODE_LOCATION: 17,
  BYTECODES_TOO_LARGE: 18,
  INVALID_OPCODE: 19,
  INVALID_STATE_PROBE: 20,
  ID_NOT_UNIQUE: 21,
  MULTILOAD_OVERWRITTEN: 22,
  STATE_TOO_SHORT: 23,
  INTERNAL_ERROR: 24,
  FRAMING_ERROR: 25,
} as const

export type Reason = keyof typeof reasons

const none = new Uint8Array(0)

/** A decompression failure (RFC 3320 §8.7), with all that a NACK says about it. */
export class DecompressionFailure extends Error {
  readonly reason: Reason
  /** What RFC 4077 §3.2 wants told with this reason: a state identifier, cycles per bit, or a memory size. */
  readonly details: Uint8Array
  /** The instruction that failed, and its address; 0 where the UDVM had not begun. */
  opcode = 0
  programCounter = 0

  constructor(reason: Reason, details: Uint8Array = none) {
    super(reason)
    this.reason = reason
    this.details = details
  }
}

// A failure is a value that travels up a few calls; where it happened is said by its program counter.
Object.defineProperty(DecompressionFailure.prototype, 'name', { value: 'DecompressionFailure' })
