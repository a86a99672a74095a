/**
 * The Presence Server (OMA Presence SIMPLE; PRS-3): takes publications as Event State Compositor (RFC 3903) and serves the
 * event packages `presence` (RFC 3856) and `presence.winfo` (RFC 3857) as notifier (RFC 6665).
 */

import { limits } from '../../limits.ts'
import type { HttpAnswer } from '../../protocols/http/message.ts'
import { methodNotAllowed, notImplemented } from '../../protocols/sip/errors.ts'
import { type HeaderField, respond, type SipRequest, type SipResponse } from '../../protocols/sip/message.ts'
import { isKnownMethod } from '../../protocols/sip/parse.ts'
import { asksForCompression } from '../../protocols/sip/via.ts'
import { contentCodings, decodeContent } from '../../protocols/sip-events/content-coding.ts'
import type { EventPackage, Subscriber } from '../../protocols/sip-events/event-package.ts'
import { Notifier, type NotifierOptions, policyWake } from '../../protocols/sip-events/notifier.ts'
import { checkRequire } from '../../protocols/sip-events/request.ts'
import type { Suppression } from '../../protocols/sip-events/suppression.ts'
import type { Instant, Output, SipEntity, Transaction, Turn } from '../../turn.ts'
import type { DocumentChange } from '../xdms/documents.ts'
import { pidfManipulation } from '../xdms/presence-xdms/pidf-manipulation.ts'
import { Authorization, type AuthorizationOptions } from './authorize.ts'
import type { PresenceContext } from './context.ts'
import { ownState } from './own-state.ts'
import { ViewBases } from './partial.ts'
import { permanentPresenceChanged, permanentPresenceCheck } from './permanent-presence.ts'
import { presencePackage, subscribeContentTypes } from './presence.ts'
import { presenceDocument } from './presence-document.ts'
import { publishContentTypes } from './publication-body.ts'
import { countPublications } from './publications.ts'
import { elementsEnded, expirePublication, publish, removePublications } from './publish.ts'
import { listUsages, operatorRulesAddress, rulesUsages } from './rules/documents.ts'
import { PublicationsWaiting } from './stored-first.ts'
import { shownDocument } from './view.ts'
import { owner, presenceWakes } from './wakes.ts'
import { noteWatcher, watcherInformation } from './watcher-information.ts'

export interface PresenceServerOptions
  extends Pick<PresenceContext, 'userOf' | 'isUser' | 'registrationState' | 'objects'>,
    AuthorizationOptions {
  /** Host and port for Contact, by transport. */
  readonly address: NotifierOptions['address']
  readonly contactParameters?: NonNullable<NotifierOptions['contactParameters']>
  /** Further event packages this entity serves. */
  readonly packages?: readonly EventPackage[]
  readonly notifierLimits?: NotifierOptions['limits']
  /** The entity that holds legs for subscribers of lists. */
  readonly holder?: NotifierOptions['holder']
  /** Somebody's presence has changed, whoever may see it: for who suppresses notifications by it. */
  readonly ownPresenceChanged?: (user: string, turn: Turn) => Output[]
  /** What the other entities of the box do at the same addresses: OPTIONS and Allow-Events speak for the whole box. */
  readonly beside?: Capabilities
}

export interface Capabilities {
  readonly methods: readonly string[]
  readonly events: readonly string[]
  /** Option tags (RFC 3261 §19.2). */
  readonly extensions: readonly string[]
}

/** Numbers for people. */
export interface PresenceCounts {
  readonly publications: number
  /** By event package. */
  readonly subscriptions: Readonly<Record<string, number>>
}

const operatorRulesToken = 'operator-rules'
const methods = ['PUBLISH', 'SUBSCRIBE', 'OPTIONS']
/** RFC 5627 §4.4: our Contact is a GRUU whether or not that is required. */
const supportedOptions = ['gruu']

export class PresenceServer implements SipEntity {
  readonly #context: PresenceContext
  readonly #authorization: Authorization
  readonly #notifier: Notifier
  readonly #beside: Capabilities
  readonly #options: Pick<PresenceServerOptions, 'address' | 'contactParameters' | 'ownPresenceChanged'>
  #restartedAt: Instant = 0
  /** Filters of subscribers compared with their own presence, for who tells them of others in lists. */
  readonly suppression: Suppression

  constructor(options: PresenceServerOptions) {
    const { userOf, isUser, registrationState, documents, objects } = options
    this.#options = options
    this.#beside = options.beside ?? { methods: [], events: [], extensions: [] }
    this.#authorization = new Authorization(options)
    this.#context = {
      authorization: this.#authorization,
      bases: new ViewBases(),
      documents,
      userOf,
      isUser,
      registrationState,
      objects,
      waiting: new PublicationsWaiting(objects),
      restartedAt: () => this.#restartedAt,
      presenceChanged: (presentity, turn) => [
        ...this.#notifier.notifyResource('presence', presentity, turn),
        ...this.#ownChanged(presentity, turn),
      ],
    }
    this.suppression = ownState(this.#context)
    const presence = presencePackage(this.#context, (presentity, watcher, turn) =>
      noteWatcher(this.#notifier, 'presence', presentity, watcher, turn),
    )
    this.#notifier = new Notifier({
      owner,
      mark: 'ps',
      packages: [presence, ...(options.packages ?? [])],
      servedBeside: this.#beside.events,
      address: options.address,
      ...(options.contactParameters === undefined ? {} : { contactParameters: options.contactParameters }),
      holder: options.holder,
      limits: {
        notificationsPerTurn: limits.notificationsPerTurn,
        subscriptionsPerResource: limits.subscriptionsPerResource,
        waitingPerResource: limits.waitingWatchersPerResource,
        filter: limits.filter,
        ...options.notifierLimits,
      },
    })
    this.#notifier.add(watcherInformation(presence, this.#notifier, this.#context.bases))
  }

  /** What one watcher may know of a presentity now, for who shows it to him in a list; see `Notifier`. */
  stateFor(...asked: Parameters<Notifier['stateFor']>): ReturnType<Notifier['stateFor']> {
    return this.#notifier.stateFor(...asked)
  }

  hasLeg(...asked: Parameters<Notifier['hasLeg']>): boolean {
    return this.#notifier.hasLeg(...asked)
  }

  /** What Allow-Events says. */
  get allowEvents(): readonly string[] {
    return this.#notifier.allowEvents
  }

  request(request: SipRequest, turn: Turn): Output[] {
    checkRequire(request, supportedOptions)
    const isPublish = request.method === 'PUBLISH'
    decodeContent(
      request,
      isPublish ? publishContentTypes : subscribeContentTypes,
      isPublish ? limits.multipart.octets : limits.publicationOctets,
    )
    switch (request.method) {
      case 'PUBLISH':
        return publish(request, turn, this.#context)
      case 'SUBSCRIBE':
        return this.#notifier.subscribe(request, turn)
      case 'OPTIONS':
        return [this.#capabilities(request, turn)]
      default:
        throw isKnownMethod(request.method) ? methodNotAllowed(this.#methods()) : notImplemented()
    }
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.#notifier.response(token, response, turn)
  }

  httpResponse(token: string, answer: HttpAnswer, turn: Turn): Output[] {
    return this.#context.waiting.answered(token, answer, turn, (request, ready) =>
      publish(request, turn, this.#context, ready),
    )
  }

  wake(token: string, turn: Turn): Output[] {
    const words = token.split(' ')
    const [kind, presentity = '', id = ''] = words
    if (kind === 'publication') return expirePublication(presentity, id, turn, this.#context)
    if (kind === 'ends') return elementsEnded(presentity, turn, this.#context)
    if (kind === 'user') return this.#userChanged(presentity, turn)
    if (kind === 'permanent') return permanentPresenceChanged(presentity, turn, this.#context)
    if (kind === operatorRulesToken) return this.#operatorRulesChanged(turn)
    if (kind === 'rules') return this.#rulesChanged(presentity, turn)
    // A source of somebody's presence: its first word is the package.
    if (kind === 'resource') return [...this.#notifier.wake(token, turn, words), ...this.#ownChanged(id, turn)]
    return this.#notifier.wake(token, turn, words)
  }

  /**
   * The change feed of the XDMSs (XDM-56, PS-99, PS-121): rules decide anew about those who watch their owner, and so do lists;
   * permanent presence is told to them. The operator's rules decide about everybody.
   */
  documentChanged({ address: { auid, xui, path } }: DocumentChange, turn: Turn): Output[] {
    if (auid === pidfManipulation.auid)
      return [{ kind: 'wake', entity: owner, at: turn.now, token: `permanent ${xui}` }]
    if (auid === operatorRulesAddress.auid && xui === '' && path === operatorRulesAddress.path) {
      this.#authorization.operatorRulesChanging()
      return [{ kind: 'wake', entity: owner, at: turn.now, token: operatorRulesToken }]
    }
    if (xui === '') return listUsages.has(auid) ? [presenceWakes.policiesChanged(turn.now)] : []
    const matters = rulesUsages.has(auid) || (listUsages.has(auid) && this.#authorization.refersToLists(turn.db, xui))
    return matters ? [presenceWakes.rulesChanged(xui, turn.now)] : []
  }

  /** A read for others: all that a presentity says of himself, whoever may see it. */
  documentOf(presentity: string, turn: Turn): Uint8Array {
    return presenceDocument(presentity, turn, this.#context).bytes
  }

  /** A read for others: what a watcher is shown of a presentity by the rules as they stand; undefined when nothing. */
  shownTo(watcher: Subscriber, presentity: string, turn: Turn): Uint8Array | undefined {
    return shownDocument(presentity, watcher, turn, this.#context)
  }

  /** A read for the Presence XDMS: how far a presentity lets somebody else write his permanent presence (PS-112). */
  permanentPresenceCheck(
    presentity: string,
    writer: readonly string[],
    turn: Turn,
  ): ReturnType<typeof permanentPresenceCheck> {
    return permanentPresenceCheck(presentity, writer, turn, this.#context)
  }

  start(turn: Turn): Output[] {
    this.#restartedAt = turn.now
    return this.#notifier.start(turn)
  }

  counts(db: Transaction, now: Instant): PresenceCounts {
    return { publications: countPublications(db, now), subscriptions: this.#notifier.counts(db) }
  }

  /** Of the box: what this entity does, and those whose OPTIONS it answers. */
  #methods(): string[] {
    return [...methods, ...this.#beside.methods]
  }

  /** RFC 3903 §7 (PS-11), RFC 3261 §11.2. */
  #capabilities(request: SipRequest, turn: Turn): Output {
    const response = respond(request, 200, {
      toTag: turn.fingerprint('options', request.callId),
      headers: [
        ['Allow', this.#methods().join(', ')],
        ['Allow-Events', this.allowEvents.join(', ')],
        ['Accept', publishContentTypes.join(', ')],
        ['Accept-Encoding', contentCodings.join(', ')],
        ['Accept-Language', 'en'],
        ['Supported', [...supportedOptions, ...this.#beside.extensions].join(', ')],
        ...this.#compressedContact(request, turn),
      ],
    })
    return { kind: 'respond', transaction: request.transaction, response }
  }

  /** To a client that would like to compress: the URI by which it may (RFC 3486 §4.1). */
  #compressedContact(request: SipRequest, turn: Turn): HeaderField[] {
    const { address, contactParameters } = this.#options
    if (!asksForCompression(request.topVia)) return []
    const parameters = contactParameters?.(';comp=sigcomp') ?? ''
    const transport = request.source?.transport ?? 'udp'
    const suffix = transport === 'udp' ? '' : `;transport=${transport}`
    return parameters === '' ? [] : [['Contact', `<sip:${address(transport, turn)}${suffix}${parameters}>`]]
  }

  /** What somebody says of himself may have had notifications to himself suppressed, here and by who serves lists to him. */
  #ownChanged(user: string, turn: Turn): Output[] {
    return [...this.#notifier.subscriberChanged(user, turn), ...(this.#options.ownPresenceChanged?.(user, turn) ?? [])]
  }

  /** Rules of a presentity are others now, or will be at the next boundary of their validity (RFC 4745 §7.4, PS-99). */
  #rulesChanged(presentity: string, turn: Turn): Output[] {
    const next = this.#authorization.nextBoundary(turn.db, presentity, turn.now)
    const outputs = [policyWake('presence', presentity, turn.now, owner)]
    if (next !== undefined) outputs.push(presenceWakes.rulesChanged(presentity, next))
    return outputs
  }

  /** The operator's rules are others now, or will be at the next boundary of their validity: for everybody (PS-92). */
  #operatorRulesChanged(turn: Turn): Output[] {
    const next = this.#authorization.nextOperatorBoundary(turn.db, turn.now)
    const outputs = [presenceWakes.policiesChanged(turn.now)]
    if (next !== undefined) outputs.push({ kind: 'wake', at: next, token: operatorRulesToken })
    return outputs
  }

  /** An account has come or gone: with it go his publications, and the subscriptions to him. */
  #userChanged(presentity: string, turn: Turn): Output[] {
    if (!this.#context.isUser(turn.db, presentity)) removePublications(presentity, turn)
    return [
      policyWake('presence', presentity, turn.now, owner),
      policyWake('presence.winfo', presentity, turn.now, owner),
    ]
  }
}
