/**
 * The XDM client of the box (OMA XDM; PRS-5, 8, 9, 10): has what is read of documents that are elsewhere. It
 * fetches what is read, learns of changes by subscription or asks now and then, and says so when it does not know any more, for
 * that may only reveal less (PS-75, SEC-03).
 */

import { hash } from 'node:crypto'
import { limits } from '../../limits.ts'
import type { HttpAnswer } from '../../protocols/http/message.ts'
import { methodNotAllowed } from '../../protocols/sip/errors.ts'
import type { SipRequest, SipResponse } from '../../protocols/sip/message.ts'
import { Subscriber, type SubscriberOptions } from '../../protocols/sip-events/subscriber.ts'
import { backoffSeconds } from '../../protocols/sip-events/subscriber-record.ts'
import type { Settings } from '../../settings/table.ts'
import type { Instant, Output, SipEntity, Turn } from '../../turn.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import { type ChangeListener, documentAt, UsersDocuments } from '../xdms/documents.ts'
import { keyOf, subjectOf, toldBy, type Watched, watchedBy } from './document-changes.ts'
import { pointOf, remoteAt, usagesOf, wellKnownNames, type XdmPoint, xdmPoints } from './points.ts'
import {
  addressOf,
  deleteRemoteDocument,
  putRemoteDocument,
  type RemoteAddress,
  type RemoteDocument,
  remoteDocument,
  remoteDocumentSums,
  remoteDocumentsOf,
  wordOf,
} from './remote-documents.ts'
import { documentRequest } from './requests.ts'

export interface XdmClientOptions {
  /** The settings as they are now. */
  readonly settings: () => Settings
  /** The user that an XUI means; undefined when it means none. */
  userOfXui(xui: string): string | undefined
  /** Host and port by which notifiers reach us. */
  readonly address: SubscriberOptions['address']
  /** Told of each change of a document that is read at a point, as of changes in the XDMSs of the box. */
  readonly listeners: Readonly<Record<XdmPoint, ChangeListener>>
}

/** How long the answer to a GET is waited for until it is asked again: longer than any takes. */
const answerMs = 60_000
const refusedMs = 86_400_000

export class XdmClient implements SipEntity {
  readonly #options: XdmClientOptions
  readonly #subscriber: Subscriber
  readonly #here = new UsersDocuments()
  /** Read, but not here. What is read again is wanted again, so a restart need not know it. */
  readonly #wanted = new Map<string, RemoteAddress>()
  /** Read since it was looked at last. */
  readonly #used = new Set<string>()
  /** When notifiers have said that they will have nothing of these subscriptions; a day later they are asked again. */
  readonly #refusedAt = new Map<string, Instant>()

  constructor(options: XdmClientOptions) {
    this.#options = options
    const { settings } = options
    this.#subscriber = new Subscriber({
      owner: 'xdm-client',
      address: options.address,
      subject: (key, turn) => {
        const watched = watchedBy(key)
        const isUsed = watched !== undefined && this.#documentsOf(watched, turn).length > 0
        return isUsed ? subjectOf(watched, settings()) : undefined
      },
      notified: (key, request, isAll, turn) => this.#notified(watchedBy(key), request, isAll, turn),
      lost: (key, _why, isRefused, turn) => {
        if (isRefused) this.#refusedAt.set(key, turn.now)
        return this.#unwatched(watchedBy(key), turn)
      },
    })
  }

  /** Whether something was read that is to be fetched: then it wants to be woken with `wanted`. */
  get hasWants(): boolean {
    return this.#wanted.size > 0
  }

  /**
   * Documents as an entity with these reference points reads them. With `keepsLast` one that cannot be had any more is what it
   * was last: for whom an old document reveals nothing.
   */
  reader(points: readonly XdmPoint[], { keepsLast = false } = {}): DocumentReader {
    const { settings } = this.#options
    // Where all documents are here, that is all there is to be found out.
    let known: { readonly settings: Settings; readonly isLocal: boolean } | undefined
    const remotePoint = (auid: string): XdmPoint | undefined => {
      const now = settings()
      if (known?.settings !== now)
        known = { settings: now, isLocal: points.every(point => remoteAt(point, now) === undefined) }
      if (known.isLocal) return undefined
      const point = pointOf(auid, points)
      return point !== undefined && remoteAt(point, now) !== undefined ? point : undefined
    }
    return {
      at: (db, address) => {
        const point = remotePoint(address.auid)
        return point === undefined ? documentAt(db, address) : this.#read(db, { ...address, point }, keepsLast)
      },
      of: (db, auid, xui) => {
        const point = remotePoint(auid)
        if (point === undefined) return this.#here.of(db, auid, xui)
        const paths = new Set(wellKnownNames[auid] ?? [])
        for (const [{ path }] of remoteDocumentsOf(db, point, xui, [auid])) paths.add(path)
        const found = [...paths].sort().map(path => this.#read(db, { point, auid, xui, path }, keepsLast))
        return found.includes('unavailable')
          ? 'unavailable'
          : found.filter(document => document !== undefined && document !== 'unavailable')
      },
      isHere: auid => remotePoint(auid) === undefined,
      rootPath: auid => {
        const point = remotePoint(auid)
        return point === undefined ? settings().xcap.root : new URL(settings()[point].root).pathname.replace(/\/$/, '')
      },
    }
  }

  /** NOTIFYs about documents. Throws 405 for anything else, and what `Subscriber.notify` throws. */
  request(request: SipRequest, turn: Turn): Output[] {
    if (request.method !== 'NOTIFY') throw methodNotAllowed(['NOTIFY'])
    return this.#subscriber.notify(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.#subscriber.response(token, response, turn)
  }

  httpResponse(token: string, answer: HttpAnswer, turn: Turn): Output[] {
    const address = addressOf(token.split(' ').slice(1))
    const remote = remoteAt(address.point, turn.settings)
    if (remote === undefined) return []
    const kept = this.#kept(address, remote.root, turn)
    const { status, headers, body } = answer
    if (status === 304 && kept !== undefined) return this.#found(address, kept, kept.document, kept.entityTag, turn)
    if (kept === undefined && !this.#hasRoom(address, 0, turn)) return []
    if (kept === undefined && isFull(turn)) return this.#failed(address, kept, 'there are too many documents', turn)
    if (status === 404 || status === 410) return this.#found(address, kept, undefined, undefined, turn)
    if (status !== 200) return this.#failed(address, kept, answer.failure ?? `answered ${status}`, turn)
    // Theirs may be given to two documents of two servers; ours says what is in it.
    const etag = hash('sha256', body, 'hex').slice(0, 20)
    const modifiedAt = Date.parse(headers['last-modified'] ?? '') || turn.now
    const isSame = kept?.document?.etag === etag
    return this.#found(address, kept, isSame ? kept.document : { etag, body, modifiedAt }, headers.etag, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    if (token === 'wanted') return this.#fetchWanted(turn)
    const [kind, ...words] = token.split(' ')
    if (kind === 'written') return this.#written(words[0]!, decodeURIComponent(words[1] ?? ''), turn)
    if (kind === 'look') return this.#look(addressOf(words), turn)
    return this.#subscriber.wake(token, turn)
  }

  /** Asks anew for what is known of a user's documents under one usage. */
  #written(auid: string, xui: string, turn: Turn): Output[] {
    return xdmPoints.flatMap(point =>
      remoteDocumentsOf(turn.db, point, xui, [auid]).flatMap(([address, kept]) => this.#get(address, kept, turn)),
    )
  }

  #read(db: Turn['db'], address: RemoteAddress, keepsLast: boolean) {
    const word = wordOf(address)
    const stored = remoteDocument(db, address)
    if (stored !== undefined) this.#used.add(word)
    const kept = stored?.root === this.#options.settings()[address.point].root ? stored : undefined
    if (kept?.isDoubtful === false) return kept.document
    if (this.#wanted.size < limits.remoteDocuments.wanted) this.#wanted.set(word, address)
    return keepsLast && kept?.document !== undefined ? kept.document : 'unavailable'
  }

  /** What is known of a document at the root that is in force. */
  #kept(address: RemoteAddress, root: string, turn: Turn): RemoteDocument | undefined {
    const kept = remoteDocument(turn.db, address)
    return kept?.root === root ? kept : undefined
  }

  #documentsOf({ point, xui }: Watched, turn: Turn) {
    return remoteDocumentsOf(turn.db, point, xui, usagesOf(point))
  }

  #fetchWanted(turn: Turn): Output[] {
    const wanted = [...this.#wanted.values()]
    this.#wanted.clear()
    const asked = new Map<string, number>()
    return wanted.flatMap(address => {
      const remote = remoteAt(address.point, turn.settings)
      const kept = remote && this.#kept(address, remote.root, turn)
      if (remote === undefined) return []
      if (kept !== undefined) {
        // What has just failed is tried again in its time, however often it is read.
        return kept.lookAt > turn.now ? [] : this.#get(address, kept, turn)
      }
      const key = keyOf(address)
      const alsoAsked = asked.get(key) ?? 0
      asked.set(key, alsoAsked + 1)
      return this.#hasRoom(address, alsoAsked, turn) ? this.#get(address, undefined, turn) : []
    })
  }

  /** Whether a user may have one more document here: who names them at will, as rules do lists, must not fill what others need. */
  #hasRoom(watched: Watched, besides: number, turn: Turn): boolean {
    return this.#documentsOf(watched, turn).length + besides < limits.remoteDocuments.perUser
  }

  #get(address: RemoteAddress, kept: RemoteDocument | undefined, turn: Turn): Output[] {
    const token = `get ${wordOf(address)}`
    const remote = remoteAt(address.point, turn.settings)
    if (remote === undefined || turn.inProgress(token)) return []
    const request = documentRequest(address, remote, kept?.document === undefined ? undefined : kept.entityTag)
    const outputs: Output[] = [{ kind: 'http', request, token }]
    // An answer that a restart has swallowed is missed then.
    if (kept !== undefined) outputs.push(...this.#put(address, { ...kept, lookAt: turn.now + answerMs }, turn))
    return outputs
  }

  /** The server has said what there is. */
  #found(
    address: RemoteAddress,
    kept: RemoteDocument | undefined,
    document: RemoteDocument['document'],
    entityTag: string | undefined,
    turn: Turn,
  ): Output[] {
    const { root } = turn.settings[address.point]
    const outputs = this.#put(
      address,
      {
        root,
        entityTag,
        document,
        checkedAt: turn.now,
        usedAt: kept?.usedAt ?? turn.now,
        isStale: false,
        isDoubtful: false,
        failures: 0,
        lookAt: turn.now + turn.settings.xdm.pollSeconds * 1000,
      },
      turn,
    )
    if (kept === undefined || kept.isDoubtful || kept.document?.etag !== document?.etag)
      outputs.push(...this.#tell(address, kept, document, turn))
    outputs.push(...this.#watch(address, turn))
    outputs.push({ kind: 'alarm', name: alarmOf(address), text: undefined })
    return outputs
  }

  #failed(address: RemoteAddress, kept: RemoteDocument | undefined, why: string, turn: Turn): Output[] {
    const { root } = turn.settings[address.point]
    const { pollSeconds, keepSeconds } = turn.settings.xdm
    const failures = (kept?.failures ?? 0) + 1
    const retrySeconds = Math.min(backoffSeconds(failures - 1), pollSeconds)
    const unknown = { root, entityTag: undefined, document: undefined, checkedAt: 0, usedAt: turn.now, isStale: false }
    const alarm: Output = { kind: 'alarm', name: alarmOf(address), text: `${root} for ${address.auid}: ${why}` }
    // Nothing is kept of what there is no room for.
    if (kept === undefined && isFull(turn)) return [alarm]
    const before = kept ?? { ...unknown, isDoubtful: true }
    const isDoubtful = before.isDoubtful || before.isStale || before.checkedAt + keepSeconds * 1000 <= turn.now
    const outputs = this.#put(
      address,
      { ...before, isDoubtful, failures, lookAt: turn.now + retrySeconds * 1000 },
      turn,
    )
    if (isDoubtful && !before.isDoubtful) outputs.push(...this.#tell(address, kept, undefined, turn))
    outputs.push(alarm)
    return outputs
  }

  /** Keeps a record, and is woken when it is to be looked at. */
  #put(address: RemoteAddress, kept: RemoteDocument, turn: Turn): Output[] {
    putRemoteDocument(turn.db, address, kept)
    return [{ kind: 'wake', at: kept.lookAt, token: `look ${wordOf(address)}` }]
  }

  /** Tells whoever reads it that it is another, or that it cannot be had any more. */
  #tell(
    address: RemoteAddress,
    kept: RemoteDocument | undefined,
    document: RemoteDocument['document'],
    turn: Turn,
  ): readonly Output[] {
    const { auid, xui, path, point } = address
    const change = { address: { auid, xui, path }, previousEtag: kept?.document?.etag, etag: document?.etag }
    return this.#options.listeners[point](change, turn)
  }

  /** Its time has come: asks for it again, unless its changes are notified; lets it go when nobody reads it. */
  #look(address: RemoteAddress, turn: Turn): Output[] {
    const stored = remoteDocument(turn.db, address)
    if (stored === undefined || stored.lookAt > turn.now) return []
    const remote = remoteAt(address.point, turn.settings)
    if (remote?.root !== stored.root) {
      deleteRemoteDocument(turn.db, address)
      return []
    }
    const pollMs = turn.settings.xdm.pollSeconds * 1000
    const isUsed = this.#used.delete(wordOf(address))
    const kept = isUsed ? { ...stored, usedAt: turn.now } : stored
    const idleMs = turn.now - kept.usedAt
    const { unusedMs } = limits.remoteDocuments
    if (idleMs > unusedMs + pollMs) {
      deleteRemoteDocument(turn.db, address)
      return []
    }
    // Who still depends on it reads it when told.
    const asked = idleMs > unusedMs ? this.#tell(address, kept, kept.document, turn) : []
    if (this.#isWatched(address, turn) && !kept.isStale && !kept.isDoubtful)
      return [...asked, ...this.#put(address, { ...kept, checkedAt: turn.now, lookAt: turn.now + pollMs }, turn)]
    return [...asked, ...this.#get(address, kept, turn)]
  }

  /** Asks to be notified of changes, where that can be had. */
  #watch(address: RemoteAddress, turn: Turn): Output[] {
    if (subjectOf(address, turn.settings) === undefined) return []
    const key = keyOf(address)
    const refusedAt = this.#refusedAt.get(key)
    if (refusedAt !== undefined && turn.now < refusedAt + refusedMs) return []
    this.#refusedAt.delete(key)
    return this.#subscriber.subscribe(key, turn)
  }

  /** Whether changes of a document are notified. */
  #isWatched(address: RemoteAddress, turn: Turn): boolean {
    const record = this.#subscriber.record(keyOf(address), turn)
    return record?.state === 'active' && record.until > turn.now
  }

  /** Changes of a user's documents (RFC 5875 §4.8): what is not as we have it is fetched, whatever there was in between. */
  #notified(watched: Watched | undefined, request: SipRequest, isAll: boolean, turn: Turn): Output[] {
    if (watched === undefined) return []
    const { point, xui } = watched
    const told = toldBy(request, xui, this.#options.userOfXui)
    const versions = new Map(told?.map(document => [`${document.auid} ${document.path}`, document]))
    const outputs: Output[] = []
    for (const [address, kept] of this.#documentsOf(watched, turn)) {
      const name = `${address.auid} ${address.path}`
      const isTold = versions.has(name)
      const version = versions.get(name)?.newEtag
      versions.delete(name)
      const isSame = kept.document === undefined ? version === undefined : version === unquoted(kept.entityTag)
      if (isSame && !kept.isDoubtful && told !== undefined) {
        if (isTold || isAll) putRemoteDocument(turn.db, address, { ...kept, checkedAt: turn.now, isStale: false })
      } else if (isTold || isAll) outputs.push(...this.#get(address, { ...kept, isStale: true }, turn))
    }
    // RFC 5025 §9.7: every document of this usage counts, those included that have come since.
    for (const { auid, path, newEtag } of [...versions.values()].slice(0, limits.remoteDocuments.perUser)) {
      if (newEtag !== undefined && auid === 'pres-rules')
        outputs.push(...this.#get({ point, auid, xui, path }, undefined, turn))
    }
    return outputs
  }

  /** Changes are not notified any more: asks for everything, and from now on now and then. */
  #unwatched(watched: Watched | undefined, turn: Turn): Output[] {
    if (watched === undefined) return []
    return this.#documentsOf(watched, turn).flatMap(([address, kept]) =>
      kept.isDoubtful ? [] : this.#put(address, { ...kept, lookAt: turn.now }, turn),
    )
  }
}

/** The wake by which it is said that a document of a user, or with '' of the global tree, has been written through this box. */
export function documentWritten(auid: string, xui: string, at: Instant): Output {
  return { kind: 'wake', entity: 'xdm-client', at, token: `written ${auid} ${encodeURIComponent(xui)}` }
}

function isFull({ db }: Turn): boolean {
  const { documents, octets } = remoteDocumentSums(db)
  return documents >= limits.remoteDocuments.documents || octets >= limits.remoteDocuments.octets
}

function alarmOf({ point }: RemoteAddress): string {
  return `documents at ${point}`
}

function unquoted(entityTag: string | undefined): string | undefined {
  return entityTag?.replace(/^(?:W\/)?"(.*)"$/, '$1')
}
