/**
 * The compressor of one compartment (RFC 3320 §5): what the peer has, as far as we know, and messages written with it.
 * Dynamic compression with acknowledged and shared states as in RFC 3321 §4 and §5; NACKs correct what we believe.
 */

import { createHash } from 'node:crypto'
import {
  code,
  codeAddress,
  codeState,
  controlRequest,
  controlReturn,
  controlReturnUnshared,
  controlSave,
  type Introduction,
  textLengthAt,
  uploadDestination,
  uploadWithCode,
  uploadWithState,
} from './bytecode.ts'
import { longestMatch } from './codes.ts'
import { presenceDictionary, presenceDictionaryStrings, sipDictionary, sipDictionaryStrings } from './dictionaries.ts'
import { encode, type Load, memoryAfter } from './encode.ts'
import type { ReturnedParameters } from './feedback.ts'
import { firstMessage } from './first-message.ts'
import { type Lines, linesOf, Uncovered } from './lines.ts'
import type { Nack } from './nack.ts'
import { StateItem, stateOverhead } from './state.ts'

/** What a peer offers. */
export interface PeerParameters {
  readonly decompressionMemorySize: number
  readonly stateMemorySize: number
  readonly cyclesPerBit: number
}

/** A state at the peer that a message can be compressed with. */
interface Known {
  readonly identifier: Uint8Array
  readonly text: Uint8Array
  readonly lines: Lines
}

/** A state that one of our messages has asked the peer to keep: our code and a text. */
interface Saved extends Known {
  readonly cost: number
  /** What is returned when the message has arrived. */
  readonly sequence: number
  readonly hadIntroduction: boolean
  isAcknowledged: boolean
}

const nothing = new Uint8Array(0)
/** Octets of text that a state keeps at most, however much memory the peer has. */
const longestSaved = 2000
/** Less would not lie over all of the bytecode that introduces us. */
const shortestSaved = 128
/** Lines that a state has to add to be worth the ten octets of loading it. */
const worthLoading = 70
/** Octets of lines found nowhere, from which on a dictionary is loaded. */
const worthDictionary = 160
const mostLoads = 2
/** RFC 3320 §9.4.8 bounds what a message may output. */
const longestText = 65_536
/** How often our parameters are told to a peer of whom nothing comes back. */
const mostIntroductions = 5
/** Octets of state memory left to shared states where there is much of it. */
const sharedReserve = 1280
/** Shared states remembered: those of the newest messages, and octets of text of all together. */
const mostShared = 2
const mostSharedOctets = 3072
/** The bits of the control octet that tell messages apart. */
const sequenceBits = [0, 1, 8, 9, 64, 65, 72, 73] as const
const sequenceMask = 73
/** Octets of a match in a message that must not become too short. */
const shorterMatch = 40
/** Octets of text at least that go around the peer's memory at once, where that does not hold all of it. */
const shortestLap = 512

export interface CompressOptions {
  /** True on TCP and TLS: what was sent will arrive, and the peer has half its memory for it (RFC 3320 §7). */
  readonly onStream: boolean
  /** Whether the shared state of this text is kept here if asked for (RFC 3321 §5.2). */
  keepShared(text: Uint8Array): boolean
}

export class Compressor {
  readonly #introduction: Omit<Introduction, 'isShared'>
  readonly #stateLimit: number
  #peer: PeerParameters
  #saved: Saved[] = []
  #savedOctets = 0
  #shared: Known[] = []
  /** What the peer has without our doing. */
  #hasCode = false
  #hasSipDictionary = true
  #hasPresenceDictionary = false
  #isFirst = true
  #isIntroduced = false
  #introductions = 0
  #isGivenUp = false
  #nextSequence = 0
  #lastReturned = -1
  #toReturn: Uint8Array = nothing

  /** `stateLimit`: octets of the peer's state memory used at most, for all of it is remembered here (RFC 4896 §10.2). */
  constructor(introduction: Omit<Introduction, 'isShared'>, peer: PeerParameters, stateLimit: number) {
    this.#introduction = introduction
    this.#stateLimit = stateLimit
    this.#peer = { ...peer, stateMemorySize: Math.min(stateLimit, peer.stateMemorySize) }
  }

  /** Whether the peer has shown that it could not read us: send plainly. */
  get isGivenUp(): boolean {
    return this.#isGivenUp
  }

  /** The SigComp message for a text; undefined when it cannot be compressed for this peer (RFC 3320 §5.2). */
  compress(text: Uint8Array, options: CompressOptions): Uint8Array | undefined {
    if (this.#isGivenUp || text.length > longestText) return undefined
    if (this.#isFirst) {
      this.#isFirst = false
      const first = this.#hasCode ? undefined : this.#first(text, options.onStream)
      if (first !== undefined) return first
    }
    const usable = this.#usable()
    const uncovered = new Uncovered(linesOf(text))
    const base = best(usable, uncovered)
    return (
      this.#attemptLong(text, options) ??
      this.#attempt(text, options, base, this.#chooseLoads(text, options, usable, base, uncovered)) ??
      this.#attempt(text, options, base, []) ??
      (base === undefined ? undefined : this.#attempt(text, options, undefined, [])) ??
      // What is too short to bring the bytecode that stays.
      this.#first(text, options.onStream)
    )
  }

  /**
   * What is longer than the peer's memory, such as the whole state of a list, says much the same over and over. It is tried as if
   * it became a small part of its length, for a datagram takes itself off that memory, and with nothing beside it there, for what
   * it repeats stands far apart. What becomes too short for the cycles it takes (RFC 3320 §8.6) is written in shorter matches.
   */
  #attemptLong(text: Uint8Array, options: CompressOptions): Uint8Array | undefined {
    const { decompressionMemorySize } = this.#peer
    if (options.onStream || text.length <= decompressionMemorySize) return undefined
    return (
      this.#attempt(text, options, undefined, [], decompressionMemorySize / 2) ??
      this.#attempt(text, options, undefined, [], (decompressionMemorySize * 5) / 8, shorterMatch)
    )
  }

  /** A message of which nothing will be kept and which says nothing of us; undefined when that is no use. */
  #first(text: Uint8Array, onStream: boolean): Uint8Array | undefined {
    const { decompressionMemorySize } = this.#peer
    // A datagram takes itself off the memory; it is shorter than its text.
    const memorySize = onStream ? decompressionMemorySize / 2 : decompressionMemorySize - text.length
    const message = firstMessage(text, memorySize, hasDocument(text))
    return message === undefined || message.length >= text.length ? undefined : message
  }

  /** States that add what the base has not; the last of them is freed by the message. */
  #chooseLoads(
    text: Uint8Array,
    { onStream }: CompressOptions,
    usable: readonly Saved[],
    base: Saved | undefined,
    uncovered: Uncovered,
  ): Load[] {
    if (base !== undefined) uncovered.cover(base.lines)
    const messageLength = 64 + (text.length >> 2) + (base === undefined ? text.length >> 3 : 0)
    const space = this.#space(onStream, messageLength) - (base?.text.length ?? 0)
    // What does not hold the text anyway may as well hold something to write it with.
    let room = space > text.length ? space - text.length - 1 : Math.floor(space / 3)
    const fits = (length: number): boolean => {
      if (length > room) return false
      room -= length
      return true
    }
    const shared: Load[] = []
    const challenge = hasCredentials(text) ? this.#shared.findLast(each => isAnswer(each.text)) : undefined
    const request = challenge ?? best(this.#shared, uncovered, worthLoading)
    if (request !== undefined && fits(request.text.length)) {
      uncovered.cover(request.lines)
      shared.push({ identifier: request.identifier, begin: 0, bytes: request.text })
    }
    const saved: Load[] = []
    const others = usable.filter(each => each !== base)
    while (saved.length < mostLoads) {
      const next = best(others, uncovered, worthLoading)
      if (next === undefined || !fits(next.text.length)) break
      uncovered.cover(next.lines)
      saved.push({ identifier: next.identifier, begin: code.length, bytes: next.text })
    }
    const dictionaries: Load[] = []
    if (uncovered.left > worthDictionary) {
      // The strings used most are at the end.
      const load = (dictionary: StateItem, length: number): void => {
        const begin = Math.max(0, length - room)
        if (length - begin < worthDictionary || !fits(length - begin)) return
        dictionaries.push({ identifier: dictionary.identifier, begin, bytes: dictionary.value.subarray(begin, length) })
      }
      if (this.#hasPresenceDictionary && hasDocument(text)) load(presenceDictionary, presenceDictionaryStrings)
      if (this.#hasSipDictionary) load(sipDictionary, sipDictionaryStrings)
    }
    // The last is freed: a shared state has been of use by then, a dictionary is nobody's to free.
    if (shared.length > 0) return [...dictionaries, ...saved, ...shared]
    return dictionaries.length > 0 ? [...saved, ...dictionaries] : []
  }

  /** Octets of the peer's memory that the message and our code leave. */
  #space(onStream: boolean, messageLength: number): number {
    const { decompressionMemorySize } = this.#peer
    const memory = onStream ? decompressionMemorySize / 2 : decompressionMemorySize - messageLength
    return Math.min(memory, 65_536) - codeAddress - code.length
  }

  /** Octets of text that a state keeps at most, so that it and the next message fit into the peer's memory together. */
  #longestSaved(onStream: boolean): number {
    const { decompressionMemorySize, stateMemorySize } = this.#peer
    const memory = onStream ? decompressionMemorySize / 2 : decompressionMemorySize
    return Math.min(
      longestSaved,
      stateMemorySize - stateOverhead - code.length,
      (memory >> 1) - codeAddress - code.length,
    )
  }

  #attempt(
    text: Uint8Array,
    options: CompressOptions,
    base: Saved | undefined,
    loads: readonly Load[],
    expected = 64 + (text.length >> 1),
    longest = longestMatch,
  ): Uint8Array | undefined {
    const needsUpload = base === undefined && !this.#hasCode
    const introduces = needsUpload || !this.#isIntroduced
    const loaded = loads.reduce((sum, { bytes }) => sum + bytes.length, 0)
    const baseText = base?.text ?? nothing
    // One octet for the state that a message may free by loading it.
    const beside = baseText.length + loaded + 1
    const fits = beside + text.length <= this.#space(options.onStream, text.length >> 2)
    const capacity = fits
      ? text.length
      : Math.min(text.length, this.#space(options.onStream, Math.min(text.length, expected)) - beside)
    if (capacity < Math.min(text.length, shortestLap)) return undefined
    let used = loads
    let encoded = encode(text, baseText, used, capacity, longest)
    let control = 0
    const sequence = this.#freeSequence()
    const most = this.#longestSaved(options.onStream)
    // What went well with the states there are needs no state of its own.
    const isWorthIt = introduces || base === undefined || encoded.body.length > worthSaving(text.length)
    if (isWorthIt && text.length >= shortestSaved && most > 128 && sequence >= 0) {
      const flags = (controlRequest << 8) | controlSave | controlReturn | sequence
      const slack = flags >> 4
      const blocks = Math.min(
        31,
        Math.ceil((Math.min(text.length, most) - slack) / 128),
        Math.floor((most - slack) / 128),
      )
      const cost = code.length + blocks * 128 + slack + stateOverhead
      const outgoing = this.#savedOctets + cost > this.#budget() ? this.#leastUseful(text, base) : undefined
      if (outgoing !== undefined) {
        used = [...loads, { identifier: outgoing.identifier, begin: code.length, bytes: outgoing.text.subarray(0, 1) }]
        encoded = encode(text, baseText, used, capacity, longest)
      }
      control = flags | (blocks << 11)
    }
    const mayShare = (introduces || this.#hasCode) && comesBack(text) && capacity === text.length
    const isShared = mayShare && options.keepShared(text)
    control &= ~controlReturnUnshared
    if (isShared) control |= controlReturn
    else if (introduces) control |= controlReturnUnshared
    const { body } = encoded
    body[0] = control >> 8
    body[1] = control & 255
    const message = this.#frame(body, base, introduces ? { ...this.#introduction, isShared } : undefined, needsUpload)
    if (this.#space(options.onStream, message.length) < beside + capacity) return undefined
    if (encoded.cycles + (control >> 4) + code.length > (1000 + 8 * message.length) * this.#peer.cyclesPerBit)
      return undefined
    if (!options.onStream && message.length >= text.length) return undefined
    // From here on it will be sent.
    const freed = used[used.length - 1]?.identifier
    if (freed !== undefined) this.#free(freed)
    if ((control & controlSave) === controlSave)
      this.#remember(text, control >> 4, memoryAfter(text, baseText, used, capacity), sequence, introduces)
    // A peer that never returns feedback has been told often enough.
    if (introduces && ++this.#introductions >= mostIntroductions) this.#isIntroduced = true
    return message
  }

  /** State memory for our own states: of a large one we leave a part to the states that the peer shares. */
  #budget(): number {
    const { stateMemorySize } = this.#peer
    return stateMemorySize >= 8192 ? stateMemorySize - sharedReserve : stateMemorySize
  }

  /** The state to free for another: one much like it if there is one, else the oldest; only what the peer has. */
  #leastUseful(text: Uint8Array, base: Saved | undefined): Saved | undefined {
    const candidates = this.#saved.filter(each => each !== base && each.isAcknowledged)
    const uncovered = new Uncovered(linesOf(text))
    const alike = best(candidates, uncovered, uncovered.left / 2)
    return alike ?? candidates[0]
  }

  #free(identifier: Uint8Array): void {
    this.#shared = this.#shared.filter(each => each.identifier !== identifier)
    const at = this.#saved.findIndex(each => each.identifier === identifier)
    if (at >= 0) this.#forget(at)
  }

  /** Header, feedback, and whatever brings the decompressor into memory. */
  #frame(
    body: Uint8Array,
    base: Saved | undefined,
    introduction: Introduction | undefined,
    needsUpload: boolean,
  ): Uint8Array {
    const item = this.#toReturn
    const first = item.length > 0 ? 0xfc : 0xf8
    if (introduction === undefined) {
      const identifier = (base ?? codeState).identifier.subarray(0, 6)
      return Buffer.concat([Uint8Array.of(first | 1), item, identifier, body])
    }
    const { bytes, destination } = needsUpload
      ? { bytes: uploadWithCode(introduction), destination: uploadDestination }
      : uploadWithState(
          introduction,
          (base ?? codeState).identifier,
          code.length + (base === undefined ? 0 : base.text.length),
        )
    const { length } = bytes
    return Buffer.concat([
      Uint8Array.of(first),
      item,
      Uint8Array.of(length >> 4, ((length & 15) << 4) | destination),
      bytes,
      body,
    ])
  }

  /** Does here what the peer will do: cuts the state from memory, and lets the oldest go for it. */
  #remember(
    text: Uint8Array,
    length: number,
    { memory, last }: { readonly memory: Uint8Array; readonly last: number },
    sequence: number,
    hadIntroduction: boolean,
  ): void {
    const kept = new Uint8Array(length)
    kept.set(memory.subarray(0, length))
    const identifier = savedIdentifier(last, kept)
    const known = this.#saved.findIndex(({ identifier: each }) => Buffer.compare(each, identifier) === 0)
    if (known >= 0) this.#forget(known)
    const cost = code.length + length + stateOverhead
    this.#makeRoom(cost)
    this.#savedOctets += cost
    this.#saved.push({
      identifier,
      text: kept,
      lines: linesOf(last === text.length ? text.subarray(0, length) : kept),
      cost,
      sequence,
      hadIntroduction,
      isAcknowledged: false,
    })
  }

  /** As the peer does: shared states go first, then the oldest (RFC 3320 §6.2 step 5). */
  #makeRoom(cost: number): void {
    const limit = this.#peer.stateMemorySize
    let shared = this.#shared.reduce((sum, { text }) => sum + text.length + stateOverhead, 0)
    while (this.#shared.length > 0 && this.#savedOctets + shared + cost > limit)
      shared -= this.#shared.shift()!.text.length + stateOverhead
    while (this.#saved.length > 0 && this.#savedOctets + cost > limit) this.#forget(0)
  }

  #forget(at: number): void {
    this.#savedOctets -= this.#saved[at]!.cost
    this.#saved.splice(at, 1)
  }

  /**
   * States to count on: those acknowledged, on streams too. What has arrived is not yet kept: it must have been found
   * genuine as well, as the first REGISTER of a handset, which is challenged, is not.
   */
  #usable(): readonly Saved[] {
    return this.#saved.filter(each => each.isAcknowledged)
  }

  #freeSequence(): number {
    for (let i = 0; i < sequenceBits.length; i++) {
      const sequence = sequenceBits[(this.#nextSequence + i) % sequenceBits.length]!
      if (sequence === this.#lastReturned) continue
      if (this.#saved.some(each => !each.isAcknowledged && each.sequence === sequence)) continue
      this.#nextSequence = (this.#nextSequence + i + 1) % sequenceBits.length
      return sequence
    }
    return -1
  }

  /** The peer has returned what a message of ours asked for: that message has arrived (RFC 3321 §5.1.1). */
  returned(field: Uint8Array): void {
    if (field.length !== 1 || (field[0]! & controlSave) !== controlSave) return
    const sequence = field[0]! & sequenceMask
    this.#lastReturned = sequence
    const found = this.#saved.find(each => !each.isAcknowledged && each.sequence === sequence)
    if (found === undefined) return
    found.isAcknowledged = true
    if (found.hadIntroduction) this.#isIntroduced = true
  }

  /** What the peer wants to have returned, until it says otherwise (RFC 4896 §9.2); `item` with its length octet if any. */
  requested(item: Uint8Array | undefined): void {
    this.#toReturn = item ?? nothing
  }

  /** What the peer says of itself, in the message whose text this is. */
  told({ decompressionMemorySize, stateMemorySize, cyclesPerBit, states }: ReturnedParameters, text: Uint8Array): void {
    const peer = this.#peer
    this.#peer = {
      decompressionMemorySize: decompressionMemorySize ?? peer.decompressionMemorySize,
      stateMemorySize: Math.min(this.#stateLimit, stateMemorySize ?? peer.stateMemorySize),
      cyclesPerBit: cyclesPerBit ?? peer.cyclesPerBit,
    }
    this.#makeRoom(0)
    for (const partial of states) {
      if (beginsWith(codeState.identifier, partial)) this.#hasCode = true
      else if (beginsWith(presenceDictionary.identifier, partial)) this.#hasPresenceDictionary = true
      else if (beginsWith(sipDictionary.identifier, partial)) this.#hasSipDictionary = true
      else if (text.length > 0 && text.length <= mostSharedOctets) this.#share(partial, text)
    }
  }

  #share(partial: Uint8Array, text: Uint8Array): void {
    // A copy of its own: a slice of a pool would keep the whole pool.
    const own = new Uint8Array(text)
    const { identifier } = new StateItem(own, 0, 0, 6)
    if (!beginsWith(identifier, partial)) return
    this.#shared = this.#shared.filter(each => Buffer.compare(each.identifier, identifier) !== 0)

    this.#shared.push({ identifier, text: own, lines: linesOf(own) })
    let octets = this.#shared.reduce((sum, each) => sum + each.text.length, 0)
    while (this.#shared.length > mostShared || octets > mostSharedOctets) octets -= this.#shared.shift()!.text.length
    this.#makeRoom(0)
  }

  /** The peer could not read a message of ours (RFC 4077 §2.3). */
  refused({ reason, details }: Nack): void {
    if (reason === 'STATE_NOT_FOUND' || reason === 'ID_NOT_UNIQUE' || reason === 'STATE_TOO_SHORT') {
      if (beginsWith(codeState.identifier, details)) this.#hasCode = false
      else if (beginsWith(presenceDictionary.identifier, details)) this.#hasPresenceDictionary = false
      else if (beginsWith(sipDictionary.identifier, details)) this.#hasSipDictionary = false
      else if (this.#shared.some(({ identifier }) => beginsWith(identifier, details)))
        this.#shared = this.#shared.filter(({ identifier }) => !beginsWith(identifier, details))
      else {
        // One that we believed in is gone, so all are doubtful: a peer that has started anew has none.
        this.#saved = []
        this.#savedOctets = 0
        this.#isIntroduced = false
        this.#introductions = 0
      }
      return
    }
    if (reason === 'BYTECODES_TOO_LARGE' && details.length >= 2) {
      const size = (details[0]! << 8) | details[1]!
      if (size >= 2048 && size < this.#peer.decompressionMemorySize) {
        this.#peer = { ...this.#peer, decompressionMemorySize: size }
        return
      }
    }
    this.#isGivenUp = true
  }

  /** Octets of texts held for this peer. */
  get octets(): number {
    return [...this.#saved, ...this.#shared].reduce((sum, { text }) => sum + text.length, 0)
  }
}

/** The state with most lines that are still uncovered; the newest of equals. */
function best<T extends Known>(states: readonly T[], uncovered: Uncovered, least = 0): T | undefined {
  let found: T | undefined
  let most = least
  for (const state of states) {
    const gain = uncovered.gain(state.lines)
    if (gain < most) continue
    most = gain
    found = state
  }
  return found
}

/** The identifier of the state that our decompressor creates: of its code, with the length of the text in it, and the text. */
function savedIdentifier(textLength: number, kept: Uint8Array): Uint8Array {
  identifierHead.writeUInt16BE(code.length + kept.length, 0)
  identifierHead.writeUInt16BE(textLength, 8 + textLengthAt)
  return createHash('sha1').update(identifierHead).update(kept).digest()
}

const identifierHead = Buffer.concat([Buffer.alloc(8), code])
identifierHead.writeUInt16BE(codeAddress, 2)
identifierHead.writeUInt16BE(codeAddress, 4)
identifierHead.writeUInt16BE(6, 6)

function beginsWith(identifier: Uint8Array, partial: Uint8Array): boolean {
  for (let i = 0; i < partial.length; i++) if (identifier[i] !== partial[i]) return false
  return partial.length >= 6
}

/** From how many octets on a message is worth a state of its own. */
function worthSaving(textLength: number): number {
  return 60 + textLength / 8
}

/**
 * Whether the peer will say parts of a text itself: a request comes back in parts in its answer, and a challenge (401, 407) in the
 * credentials for it. `SIP/2.0` begins answers only.
 */
function comesBack(text: Uint8Array): boolean {
  return !isAnswer(text) || (text[8] === 52 && text[9] === 48 && (text[10] === 49 || text[10] === 55))
}

function isAnswer(text: Uint8Array): boolean {
  return text[0] === 83 && text[1] === 73 && text[2] === 80 && text[3] === 47
}

/** Whether a text answers a challenge. */
function hasCredentials(text: Uint8Array): boolean {
  return Buffer.from(text.buffer, text.byteOffset, text.length).includes('uthorization: Digest')
}

/** Whether a text has an XML document in it, looking at where bodies end. */
function hasDocument(text: Uint8Array): boolean {
  for (let i = text.length - 1; i >= 0 && i > text.length - 6; i--) if (text[i] === 62) return true
  return text.length > 6 && text[text.length - 3] === 45
}
