/** The decompressor dispatcher and the state handler behind it (RFC 3320 §4.2, §6): messages in, requests applied later. */

import { DecompressionFailure } from './failure.ts'
import { readHeader } from './message.ts'
import { StateItem, type StateMemory, type StateStore } from './state.ts'
import { type Decompressed, Udvm } from './udvm.ts'

/** What this endpoint offers to whoever compresses for it (RFC 3320 §3.3). */
export interface DecompressorOptions {
  /** decompression_memory_size: 2048, 4096, ... 131072 octets. */
  readonly decompressionMemorySize: number
  /** 16, 32, 64 or 128. */
  readonly cyclesPerBit: number
  /** SigComp_version: 2 where NACKs are sent (RFC 4077 §2.4). */
  readonly version: number
  /** Octets of one decompressed message; at most 65536 (RFC 3320 §9.4.8). */
  readonly messageLimit: number
  /** The largest state_memory_size of any compartment, in octets. */
  readonly stateMemorySize: number
}

/** A message decompressed, and what its header returned. */
export interface Received extends Decompressed {
  readonly returnedFeedback: Uint8Array | undefined
}

export class Decompressor {
  readonly #options: DecompressorOptions
  readonly #store: StateStore
  readonly #udvm = new Udvm()

  constructor(options: DecompressorOptions, store: StateStore) {
    this.#options = options
    this.#store = store
  }

  /** UDVM cycles of the last message, also of one that failed. */
  get lastCycles(): number {
    return this.#udvm.cycles
  }

  /**
   * Decompresses one whole message, without its delimiter if it came on a stream, which halves the UDVM memory instead of
   * subtracting the message from it (RFC 3320 §7). Throws `DecompressionFailure`.
   */
  decompress(message: Uint8Array, onStream: boolean): Received {
    const { decompressionMemorySize, cyclesPerBit, version, messageLimit, stateMemorySize } = this.#options
    const header = readHeader(message)
    const memorySize = onStream ? decompressionMemorySize / 2 : decompressionMemorySize - message.length
    const { stateIdentifier, bytecode } = header
    const destination = 64 * (header.destination + 1)
    // No code of RFC 4077 says that a message is larger than the memory; this one tells the size of the memory.
    if (stateIdentifier === undefined ? destination + bytecode.length > memorySize : memorySize <= 0)
      throw new DecompressionFailure('BYTECODES_TOO_LARGE', wordOf(decompressionMemorySize))
    const decompressed = this.#udvm.run({
      memorySize: Math.min(memorySize, 65536),
      cyclesPerBit,
      version,
      state: stateIdentifier === undefined ? undefined : this.#store.access(stateIdentifier),
      partialIdentifierLength: stateIdentifier?.length ?? 0,
      bytecode,
      destination,
      message,
      headerLength: header.length,
      outputLimit: messageLimit,
      stateLimit: stateMemorySize,
      access: partial => this.#store.access(partial),
    })
    return { ...decompressed, returnedFeedback: header.returnedFeedback }
  }
}

/**
 * Applies the requests of a message to the compartment that the application has named for it, in their order (RFC 3320
 * §9.4.9).
 */
export function applyStateRequests(received: Decompressed, memory: StateMemory): void {
  for (const request of received.requests) {
    if (request.kind === 'free') memory.free(request.identifier)
    else {
      const { value, address, instruction, minimumAccessLength, priority } = request
      memory.create(new StateItem(value, address, instruction, minimumAccessLength), priority)
    }
  }
}

function wordOf(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 255, value & 255)
}
