/** Feedback data (RFC 3320 §9.4.9): what the peer asks to have returned, and what it says about itself. */

/** Requested feedback data (Figure 12). */
export interface RequestedFeedback {
  /** The item to return, with its length octet if it has one; undefined when none is wanted (Q = 0). */
  readonly item: Uint8Array | undefined
  /** S: no state is to be kept or used any more. */
  readonly wantsNoState: boolean
  /** I: the list of locally available state is of no interest. */
  readonly wantsNoList: boolean
}

/** Returned SigComp parameters (Figure 13); a field is undefined where the peer has left it out. */
export interface ReturnedParameters {
  readonly cyclesPerBit: number | undefined
  /** Octets. */
  readonly decompressionMemorySize: number | undefined
  /** Octets. */
  readonly stateMemorySize: number | undefined
  readonly version: number | undefined
  /** Partial identifiers of state the peer has, 6 to 20 octets each. */
  readonly states: readonly Uint8Array[]
}

/** The first octet of returned parameters for these resources, whose values are of the sets in RFC 3320 §3.3.1. */
export function parametersOctet(cyclesPerBit: number, decompressionMemory: number, stateMemory: number): number {
  return (Math.log2(cyclesPerBit / 16) << 6) | (memoryCode(decompressionMemory) << 3) | memoryCode(stateMemory)
}

/** The largest memory size of RFC 3320 §3.3.1 that is not above this many octets. */
export function memorySizeWithin(octets: number): number {
  let size = 0
  for (let code = 1; code <= 7; code++) if (memorySize(code) <= octets) size = memorySize(code)
  return size
}

function memoryCode(octets: number): number {
  return octets === 0 ? 0 : Math.log2(octets / 1024)
}

function memorySize(code: number): number {
  return code === 0 ? 0 : 1024 << code
}

/** Reads requested feedback at `at`; undefined when it reaches beyond the memory. */
export function readRequestedFeedback(memory: Uint8Array, at: number): RequestedFeedback | undefined {
  if (at >= memory.length) return undefined
  const flags = memory[at]!
  let item: Uint8Array | undefined
  if ((flags & 4) !== 0) {
    if (at + 1 >= memory.length) return undefined
    const field = memory[at + 1]!
    const length = field < 128 ? 1 : 1 + (field & 127)
    if (at + 1 + length > memory.length) return undefined
    item = memory.slice(at + 1, at + 1 + length)
  }
  return { item, wantsNoState: (flags & 2) !== 0, wantsNoList: (flags & 1) !== 0 }
}

/** Reads returned parameters at `at`; undefined when they reach beyond the memory. */
export function readReturnedParameters(memory: Uint8Array, at: number): ReturnedParameters | undefined {
  if (at + 2 > memory.length) return undefined
  const octet = memory[at]!
  const version = memory[at + 1]!
  const states: Uint8Array[] = []
  let next = at + 2
  for (;;) {
    if (next >= memory.length) return undefined
    const length = memory[next]!
    if (length < 6 || length > 20) break
    if (next + 1 + length > memory.length) return undefined
    states.push(memory.slice(next + 1, next + 1 + length))
    next += 1 + length
  }
  // A decompression memory of zero cannot be offered: an octet of zero says nothing (RFC 3320 §9.4.9).
  const given = octet !== 0
  return {
    cyclesPerBit: given ? 16 << (octet >> 6) : undefined,
    decompressionMemorySize: given && (octet & 0x38) !== 0 ? memorySize((octet >> 3) & 7) : undefined,
    stateMemorySize: given ? memorySize(octet & 7) : undefined,
    version: version === 0 ? undefined : version,
    states,
  }
}
