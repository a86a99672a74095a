/**
 * A SigComp endpoint as an application sees it (RFC 3320 §3): it decompresses what came, is told to which compartment a
 * message belongs, compresses what goes there, and answers with NACKs (RFC 4077).
 */

import { createHash } from 'node:crypto'
import { codeState, type Introduction } from './bytecode.ts'
import { Compressor, type PeerParameters } from './compressor.ts'
import { applyStateRequests, Decompressor, type Received } from './decompressor.ts'
import { presenceDictionary, sipDictionary } from './dictionaries.ts'
import { DecompressionFailure } from './failure.ts'
import { memorySizeWithin, parametersOctet } from './feedback.ts'
import { uncompressedMessage } from './message.ts'
import { isNack, type Nack, readNack, writeNack } from './nack.ts'
import { StateItem, StateMemory, StateStore } from './state.ts'

/** What an endpoint offers and holds. */
export interface EndpointOptions {
  /** decompression_memory_size: 2048, 4096, ... 131072 octets. */
  readonly decompressionMemorySize: number
  /** state_memory_size of each compartment: 0, 2048, 4096, ... 131072 octets. */
  readonly stateMemorySize: number
  /** 16, 32, 64 or 128. */
  readonly cyclesPerBit: number
  /** Octets of one decompressed message, at most 65536. */
  readonly messageLimit: number
  /** Compartments open at once; the one not used for longest closes for another. */
  readonly compartments: number
  /** Shared states kept per compartment (RFC 3321 §5.2). */
  readonly sharedStates: number
  /** Octets of a peer's state memory used at most, however much it offers: as much is remembered here. */
  readonly peerStateLimit: number
  /** What a peer offers that has told nothing yet. */
  readonly peer: PeerParameters
}

/** The least that RFC 5049 §4 has both sides offer for SIP, and 8192 octets of state to a peer. */
export const sipOptions: EndpointOptions = {
  decompressionMemorySize: 8192,
  stateMemorySize: 8192,
  cyclesPerBit: 16,
  messageLimit: 65536,
  compartments: 2000,
  sharedStates: 4,
  peerStateLimit: 8192,
  peer: { decompressionMemorySize: 8192, stateMemorySize: 2048, cyclesPerBit: 16 },
}

/** What came of a message. */
export type Reception =
  /** A message for the application, which says with `accept` to whom it belongs; `text` is undefined if it has none. */
  | { readonly kind: 'message'; readonly text: Uint8Array | undefined; readonly received: Received }
  /** A NACK to a message sent to this compartment, or to none that is known. */
  | { readonly kind: 'nack'; readonly nack: Nack | undefined; readonly compartment: string | undefined }
  /** A message that failed; `nack` goes back to where it came from, if any is to be sent. */
  | { readonly kind: 'failure'; readonly failure: DecompressionFailure; readonly nack: Uint8Array | undefined }

interface Compartment {
  readonly name: string
  readonly memory: StateMemory
  readonly compressor: Compressor
  /** Names of messages sent, for NACKs to them; a ring. */
  readonly sent: string[]
  sentAt: number
}

/** Messages per compartment whose NACKs are still understood. */
const sentRemembered = 8

export class SigCompEndpoint {
  readonly #options: EndpointOptions
  readonly #store = new StateStore()
  readonly #decompressor: Decompressor
  readonly #introduction: Omit<Introduction, 'isShared'>
  /** In order of use. */
  readonly #compartments = new Map<string, Compartment>()
  readonly #sent = new Map<string, Compartment>()

  constructor(options: EndpointOptions = sipOptions) {
    this.#options = options
    const { decompressionMemorySize, stateMemorySize, cyclesPerBit, messageLimit } = options
    if (memorySizeWithin(decompressionMemorySize) !== decompressionMemorySize || decompressionMemorySize === 0)
      throw new RangeError('decompressionMemorySize')
    if (memorySizeWithin(stateMemorySize) !== stateMemorySize) throw new RangeError('stateMemorySize')
    if (![16, 32, 64, 128].includes(cyclesPerBit)) throw new RangeError('cyclesPerBit')
    const version = 2
    this.#decompressor = new Decompressor(
      { decompressionMemorySize, cyclesPerBit, version, messageLimit: Math.min(messageLimit, 65536), stateMemorySize },
      this.#store,
    )
    for (const item of [sipDictionary, presenceDictionary, codeState]) this.#store.hold(item)
    this.#introduction = {
      parametersOctet: parametersOctet(cyclesPerBit, decompressionMemorySize, stateMemorySize),
      version,
      announced: [presenceDictionary.identifier, codeState.identifier],
    }
  }

  /** How many compartments are open. */
  get compartments(): number {
    return this.#compartments.size
  }

  /** How many state items there are, of all compartments. */
  get states(): number {
    return this.#store.size
  }

  /** Decompresses one message, of a datagram or cut from a stream. Never throws. */
  receive(message: Uint8Array, onStream: boolean): Reception {
    if (isNack(message)) return this.#nack(message)
    try {
      const received = this.#decompressor.decompress(message, onStream)
      return { kind: 'message', text: received.output, received }
    } catch (error) {
      const failure = failureOf(error)
      return { kind: 'failure', failure, nack: writeNack(failure, message) }
    }
  }

  /** UDVM cycles of the message received last, also of one that failed. */
  get lastCycles(): number {
    return this.#decompressor.lastCycles
  }

  /** The answer to a stream that has lost its marks: what `RecordMarking.push` has thrown (RFC 4077 §3.2). */
  framingError(error: unknown): Uint8Array {
    return writeNack(failureOf(error), undefined)
  }

  #nack(message: Uint8Array): Reception {
    const nack = readNack(message)
    if (nack === undefined) return { kind: 'nack', nack, compartment: undefined }
    const name = Buffer.from(nack.hash).toString('base64')
    const compartment = this.#sent.get(name)
    // Each message is refused once, however often it is said.
    this.#sent.delete(name)
    compartment?.compressor.refused(nack)
    return { kind: 'nack', nack, compartment: compartment?.name }
  }

  /**
   * The application has found the message genuine and says whose it is (RFC 3320 §4.3): its states are kept, its feedback
   * believed. Opens the compartment if need be.
   */
  accept({ received }: { readonly received: Received }, name: string): void {
    const { memory, compressor } = this.#open(name)
    applyStateRequests(received, memory)
    const { requestedFeedback, returnedFeedback, returnedParameters, output } = received
    if (requestedFeedback !== undefined) {
      compressor.requested(requestedFeedback.item)
      if (requestedFeedback.wantsNoState) memory.clear()
    }
    if (returnedFeedback !== undefined) compressor.returned(returnedFeedback)
    if (returnedParameters !== undefined) compressor.told(returnedParameters, output ?? new Uint8Array(0))
  }

  /**
   * The SigComp message for a text to this compartment, which is opened if need be. Undefined when the text has to go as it
   * is: because it does not become shorter, or, on a stream, is over 65536 octets and needs another connection (RFC 5049 §7).
   * On a stream (TCP, TLS) it still needs its marks. A retransmission is compressed anew (RFC 5049 §8).
   */
  compress(text: Uint8Array, name: string, onStream: boolean): Uint8Array | undefined {
    const compartment = this.#open(name)
    const { sharedStates } = this.#options
    const message = compartment.compressor.compress(text, {
      onStream,
      keepShared: shared =>
        compartment.memory.createLocal(new StateItem(new Uint8Array(shared), 0, 0, 6), sharedStates),
    })
    if (message === undefined) return onStream && text.length <= 65536 ? uncompressedMessage(text) : undefined
    const hash = createHash('sha1').update(message).digest('base64')
    const old = compartment.sent[compartment.sentAt]
    if (old !== undefined && this.#sent.get(old) === compartment) this.#sent.delete(old)
    compartment.sent[compartment.sentAt] = hash
    compartment.sentAt = (compartment.sentAt + 1) % sentRemembered
    this.#sent.set(hash, compartment)
    return message
  }

  /** Ends a compartment: its states and what is known of its peer are gone (RFC 5049 §9.3). */
  close(name: string): void {
    const compartment = this.#compartments.get(name)
    if (compartment === undefined) return
    compartment.memory.clear()
    for (const hash of compartment.sent) if (this.#sent.get(hash) === compartment) this.#sent.delete(hash)
    this.#compartments.delete(name)
  }

  #open(name: string): Compartment {
    let compartment = this.#compartments.get(name)
    if (compartment !== undefined) this.#compartments.delete(name)
    else {
      const { compartments, stateMemorySize, peer } = this.#options
      if (this.#compartments.size >= compartments)
        for (const [oldest] of this.#compartments) {
          this.close(oldest)
          break
        }
      compartment = {
        name,
        memory: new StateMemory(this.#store, stateMemorySize),
        compressor: new Compressor(this.#introduction, peer, this.#options.peerStateLimit),
        sent: [],
        sentAt: 0,
      }
    }
    this.#compartments.set(name, compartment)
    return compartment
  }
}

function failureOf(error: unknown): DecompressionFailure {
  return error instanceof DecompressionFailure ? error : new DecompressionFailure('INTERNAL_ERROR')
}
