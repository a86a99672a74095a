/**
 * The Resource List Server (OMA Presence SIMPLE; PRS-4): who subscribes to a list is told the state of all its members (RFC
 * 4662), of lists kept by RFC 4826 and of lists that come with the request (RFC 5367).
 */

import { resourceListsType } from '../../documents/resource-lists.ts'
import { limits } from '../../limits.ts'
import { methodNotAllowed, notFound } from '../../protocols/sip/errors.ts'
import { respond, type SipRequest, type SipResponse } from '../../protocols/sip/message.ts'
import type { Uri } from '../../protocols/sip/uri.ts'
import { contentCodings, decodeContent } from '../../protocols/sip-events/content-coding.ts'
import type { Subscriber as Watcher } from '../../protocols/sip-events/event-package.ts'
import { Notifier, type NotifierOptions } from '../../protocols/sip-events/notifier.ts'
import { checkRequire } from '../../protocols/sip-events/request.ts'
import { Subscriber, type SubscriberOptions } from '../../protocols/sip-events/subscriber.ts'
import type { Instant, Output, SipEntity, Transaction, Turn } from '../../turn.ts'
import type { DocumentChange } from '../xdms/documents.ts'
import { notifiedTypes, remoteSubject, sentFilters } from './back-end-subject.ts'
import { type ListContext, listPackages, listUri } from './context.ts'
import { eventListOption, isListUri, listPackage } from './list-package.ts'
import {
  closeInnerNode,
  memberOf,
  nodeOf,
  nodesFrom,
  nodesReading,
  noteNews,
  rootOf,
  subscriberOfNode,
  updateNode,
} from './nodes.ts'
import { mayRead } from './policy.ts'
import { memberOfKey, noteFiltersRefused, noteLost, noteRemote, renewRemote } from './remote-members.ts'
import { listBodyTypes, requestContainedOption, requestUri } from './request-contained.ts'

export interface ResourceListServerOptions extends Omit<ListContext, 'subscriber' | 'restartedAt' | 'filtersOf'> {
  /** Host and port for Contact, by transport. */
  readonly address: NotifierOptions['address']
  readonly contactParameters?: NotifierOptions['contactParameters']
  /** The same for the Contact of back-end subscriptions. */
  readonly subscriberAddress: SubscriberOptions['address']
  /** Event packages that others serve, for Allow-Events. */
  readonly servedBeside?: readonly string[]
  readonly notifierLimits?: NotifierOptions['limits']
}

const owner = 'resource-list-server'
const everyList = 'every-list'
const methods = ['SUBSCRIBE', 'NOTIFY', 'OPTIONS']
const supportedOptions = ['gruu', eventListOption, requestContainedOption]

export class ResourceListServer implements SipEntity {
  readonly #context: ListContext
  readonly #notifier: Notifier
  readonly #subscriber: Subscriber
  #restartedAt: Instant = 0

  constructor(options: ResourceListServerOptions) {
    const { documents, states, userOf, routeTo } = options
    this.#subscriber = new Subscriber({
      owner,
      address: options.subscriberAddress,
      subject: (subscription, turn) => {
        const [id, key] = memberOfKey(subscription)
        const [node, member] = [nodeOf(turn.db, id), memberOf(turn.db, id, key)]
        if (node === undefined || member?.kind !== 'remote') return undefined
        return remoteSubject(node, member.uri, sentFilters(id, key, node, this.#context, turn), this.#context)
      },
      notified: (subscription, request, _isAll, turn) => {
        const [id, key] = memberOfKey(subscription)
        const outputs = noteRemote(id, key, request, this.#context, turn)
        return [...outputs, ...this.#newsOf(id, key, turn)]
      },
      lost: (subscription, why, _isRefused, turn) => {
        const [id, key] = memberOfKey(subscription)
        if (this.#hasRefusedFilters(id, key, why, turn))
          return [{ kind: 'wake', at: turn.now, token: `without-filters ${id} ${key}` }]
        noteLost(id, key, why, turn)
        return this.#newsOf(id, key, turn)
      },
    })
    this.#context = {
      documents,
      states,
      userOf,
      routeTo,
      filtersOf: ({ id, node }, turn) => this.#notifier.filters(node.package, node.uri, id, turn.db),
      subscriber: this.#subscriber,
      restartedAt: () => this.#restartedAt,
    }
    this.#notifier = new Notifier({
      owner,
      mark: 'rls',
      packages: listPackages.map(name => listPackage(name, this.#context, () => this.#notifier)),
      servedBeside: options.servedBeside ?? [],
      address: options.address,
      ...(options.contactParameters === undefined ? {} : { contactParameters: options.contactParameters }),
      limits: {
        notificationsPerTurn: limits.lists.notificationsPerTurn,
        subscriptionsPerResource: limits.subscriptionsPerResource,
        subscriptionsPerSubscriber: limits.lists.subscriptionsPerUser,
        filter: limits.filter,
        ...options.notifierLimits,
      },
    })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    checkRequire(request, supportedOptions)
    if (request.method === 'OPTIONS') return [this.#capabilities(request, turn)]
    if (request.method !== 'SUBSCRIBE' && request.method !== 'NOTIFY') throw methodNotAllowed(methods)
    const isNotify = request.method === 'NOTIFY'
    decodeContent(request, isNotify ? notifiedTypes : [resourceListsType], limits.xcapDocument.bytes)
    if (isNotify) return this.#subscriber.notify(request, turn)
    return this.#notifier.subscribe(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    const isOfSubscriber = /^(?:un)?subscribe /.test(token)
    return (isOfSubscriber ? this.#subscriber : this.#notifier).response(token, response, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    const words = token.split(' ')
    const [kind, first = '', second = '', third = ''] = words
    if (kind === 'leg') return this.#newsOf(third, second, turn)
    if (kind === 'list') return this.#listChanged(first, turn)
    if (kind === everyList) return this.#policyChanged(first, turn)
    if (kind === 'own') return this.#notifier.subscriberChanged(first, turn)
    if (kind === 'without-filters') return renewRemote(first, second, this.#context, turn)
    if (kind === 'subscription') return this.#subscriber.wake(token, turn)
    return this.#notifier.wake(token, turn, words)
  }

  start(turn: Turn): Output[] {
    this.#restartedAt = turn.now
    return this.#notifier.start(turn)
  }

  /** Whether a Request-URI is one of this server's: for the routing table. */
  isList(uri: Uri, turn: Pick<Turn, 'db' | 'settings'>): boolean {
    return isListUri(uri, this.#context, turn)
  }

  /** For whom the leg with this id stands at a notifier: a read of the Presence Server. */
  subscriber(packageName: string, presentity: string, id: string, turn: Turn): Watcher | undefined {
    const node = nodeOf(turn.db, id)
    if (node?.package !== packageName || memberOf(turn.db, id, presentity)?.kind !== 'user') return undefined
    return subscriberOfNode(node)
  }

  /** The change feed of the XDMSs: members come and go while a list is subscribed to (RLS-22). */
  documentChanged({ address }: DocumentChange, turn: Turn): Output[] {
    return [...nodesReading(turn.db, address)].map(id => listWake(id, turn))
  }

  /** Somebody's own presence has changed, by which he may have what lists tell him suppressed (PS-138). */
  ownPresenceChanged(user: string, turn: Turn): Output[] {
    const isMeant = this.#notifier.subscriberChanged(user, turn).length > 0
    return isMeant ? [{ kind: 'wake', at: turn.now, entity: owner, token: `own ${user}` }] : []
  }

  /** Subscriptions to lists, by event package. */
  counts(db: Transaction): Readonly<Record<string, number>> {
    return this.#notifier.counts(db)
  }

  /** What can be asked of a list, or of this server about lists that come with the request (RFC 5367 §5). Throws 404 for another URI. */
  #capabilities(request: SipRequest, turn: Turn): Output {
    const uri = listUri(request.requestUri, this.#context, turn.db)
    if (uri !== requestUri(turn) && this.#context.documents.placeOf(turn.db, uri) === undefined) throw notFound()
    const response = respond(request, 200, {
      toTag: turn.fingerprint('options', request.callId),
      headers: [
        ['Allow', methods.join(', ')],
        ['Allow-Events', this.#notifier.allowEvents.join(', ')],
        ['Accept', listBodyTypes.join(', ')],
        ['Accept-Encoding', contentCodings.join(', ')],
        ['Accept-Language', 'en'],
        ['Supported', supportedOptions.join(', ')],
      ],
    })
    return { kind: 'respond', transaction: request.transaction, response }
  }

  #newsOf(id: string, presentity: string, turn: Turn): Output[] {
    const root = noteNews(id, presentity, turn)
    return root === undefined ? [] : this.#notifier.notifySubscription(root.node.package, root.node.uri, root.id, turn)
  }

  /** Whether a notifier has answered that it takes no filters, or not these (RFC 4660 §3.3.4): it is asked without them. */
  #hasRefusedFilters(id: string, key: string, why: string, turn: Turn): boolean {
    const node = nodeOf(turn.db, id)
    if (node === undefined || (why !== '415' && why !== '488')) return false
    return sentFilters(id, key, node, this.#context, turn).length > 0 && noteFiltersRefused(id, key, turn)
  }

  /** Every list is looked at again, as many as one turn may, from this one on. */
  #policyChanged(from: string, turn: Turn): Output[] {
    const ids = [...nodesFrom(turn.db, from, limits.lists.notificationsPerTurn + 1)]
    const next = ids[limits.lists.notificationsPerTurn]
    const outputs = ids.slice(0, limits.lists.notificationsPerTurn).map(id => listWake(id, turn))
    return next === undefined ? outputs : [...outputs, listPolicyWake(turn.now, next)]
  }

  /** What a list is made of has changed, or who may read it. */
  #listChanged(id: string, turn: Turn): Output[] {
    const node = nodeOf(turn.db, id)
    if (node === undefined || node.uri === requestUri(turn)) return []
    const isRefused =
      this.#context.documents.placeOf(turn.db, node.uri) !== undefined &&
      !mayRead(node.uri, subscriberOfNode(node), this.#context, turn)
    const updated = isRefused ? 'refused' : updateNode(id, node, this.#context, turn)
    if (typeof updated !== 'string') {
      const root = updated.hasNews ? rootOf(id, node, turn) : undefined
      if (root === undefined) return updated.outputs
      return [...updated.outputs, ...this.#notifier.notifySubscription(root.node.package, root.node.uri, root.id, turn)]
    }
    if (node.parent !== '') {
      const closed = closeInnerNode(id, node, this.#context, turn)
      // What came with a request stands as it came, whatever becomes of the lists in it.
      const isKept = nodeOf(turn.db, node.parent)?.uri !== requestUri(turn)
      const above = isKept ? this.#listChanged(node.parent, turn) : this.#newsOf(node.parent, node.uri, turn)
      return [...closed, ...above]
    }
    const reason = updated === 'missing' ? 'noresource' : 'rejected'
    return this.#notifier.terminate(node.package, node.uri, id, reason, turn)
  }
}

/** The wake by which it is said that a setting has changed that decides about lists. */
export function listPolicyWake(at: Instant, from = ''): Output {
  return { kind: 'wake', at, entity: owner, token: `${everyList} ${from}`.trimEnd() }
}

function listWake(id: string, { now }: Turn): Output {
  return { kind: 'wake', at: now, entity: owner, token: `list ${id}` }
}
