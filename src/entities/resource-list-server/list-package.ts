/** An event package applied to lists (RFC 4662 §4): `presence` or `presence.winfo`, told of all members at once. */

import { simpleFilterContentType } from '../../documents/simple-filter.ts'
import { limits } from '../../limits.ts'
import { badEvent, forbidden, notFound } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { Uri } from '../../protocols/sip/uri.ts'
import { bodiesOf } from '../../protocols/sip-events/bodies.ts'
import { dialectOf } from '../../protocols/sip-events/dialect.ts'
import type { EventPackage } from '../../protocols/sip-events/event-package.ts'
import type { Notifier } from '../../protocols/sip-events/notifier.ts'
import { senderOf } from '../../protocols/sip-events/request.ts'
import { type Subscription, setExtras } from '../../protocols/sip-events/subscription.ts'
import type { Output, Transaction, Turn } from '../../turn.ts'
import { DocumentsAwaited } from '../xdms/document-reader.ts'
import { addressOfList, serviceUriOf } from '../xdms/rls-xdms/service-uri.ts'
import { type ListContext, listUri } from './context.ts'
import { type List, listOf } from './list.ts'
import { emptyListState, type ListTelling, listState } from './list-state.ts'
import { wayOn } from './loops.ts'
import { listFilters } from './member-filters.ts'
import { closeNode, type ListNode, newsOf, nodeOf, openNode, putNode, remoteMembersBelow, updateNode } from './nodes.ts'
import { mayReadAt } from './policy.ts'
import { forgetFiltersRefused, renewRemote } from './remote-members.ts'
import { listBodyTypes, refuseList, requestContainedList, requestUri, tooLong } from './request-contained.ts'

/** The option tag (RFC 4662 §4.1). */
export const eventListOption = 'eventlist'

/** The package `name` for lists; `notifier` is the one that serves it. */
export function listPackage(name: string, context: ListContext, notifier: () => Notifier): EventPackage {
  return {
    name,
    isTemplate: name.endsWith('.winfo'),
    contentTypes: ['multipart/related'],
    subscribeContentTypes: listBodyTypes,
    filterTarget: serviceUriOf,
    suppression: context.states.suppression,
    requiredOptions: [eventListOption],
    defaultExpiresSeconds: 3600,
    expiresBounds({ settings }) {
      const { subscriptionDefaultSeconds, subscriptionMinSeconds, subscriptionMaxSeconds } = settings.presence
      return {
        defaultSeconds: subscriptionDefaultSeconds,
        minSeconds: subscriptionMinSeconds,
        maxSeconds: subscriptionMaxSeconds,
      }
    },
    minNotifyIntervalMs: ({ settings }) => settings.presence.minNotifyIntervalSeconds * 1000,
    isUrgent: (_resource, id, { db }) => nodeOf(db, id)?.isUrgent === true,

    resource(request, turn) {
      const uri = listUri(request.requestUri, context, turn.db)
      if (uri === requestUri(turn)) return uri
      const place = context.documents.placeOf(turn.db, uri)
      const service = place && context.documents.service(place, uri, turn)
      if (service === undefined) {
        const users = senderOf(request, turn).identities.filter(identity => identity.startsWith('sip'))
        throw context.documents.areKnown(users, turn) ? notFound() : new DocumentsAwaited()
      }
      // RFC 4826 §4.1: of a service without packages, whichever are served.
      const { packages } = service
      if (packages !== undefined && !packages.includes(name)) throw badEvent(packages)
      return uri
    },
    exists: (uri, turn) => uri === requestUri(turn) || context.documents.placeOf(turn.db, uri) !== undefined,
    authorize(uri, subscriber, turn) {
      if (uri === requestUri(turn)) {
        // No requests on behalf of who proves to be nobody (RFC 5363 §4.3, RLS-30).
        if (subscriber.identities.length === 0) throw forbidden()
        return 'active'
      }
      const place = context.documents.placeOf(turn.db, uri)
      if (place === undefined) throw notFound()
      if (!mayReadAt(place, subscriber, turn)) throw forbidden('Not the Owner of the List')
      return 'active'
    },

    accepted: ({ record }, request) => setExtras(record, { dialect: dialectOf(request) }),
    subscribed({ resource, id, record }, request, turn) {
      const known = nodeOf(turn.db, id)
      if (resource !== requestUri(turn) || known !== undefined) refuseList(request)
      if (known !== undefined) {
        const again = { ...known, takesPartial: takesPartial(request) }
        if (again.takesPartial !== known.takesPartial) putNode(turn.db, id, again)
        const renewed = bodiesOf(request, simpleFilterContentType).length > 0 ? renewRemotes(id, context, turn) : []
        if (resource === requestUri(turn)) return renewed
        const updated = updateNode(id, again, context, turn)
        if (updated === 'missing') throw notFound()
        if (updated === 'too-long') throw tooLong(turn)
        if (!updated.hasNews) return [...renewed, ...updated.outputs]
        return [...renewed, ...updated.outputs, ...notifier().notifySubscription(name, resource, id, turn)]
      }
      const { subscriber, alias, displayName } = record
      const node: ListNode = {
        package: name,
        uri: resource,
        parent: '',
        version: 0,
        isUrgent: false,
        subscriber,
        alias,
        displayName,
        isPrivate: record.extras?.isPrivate === true,
        takesPartial: takesPartial(request),
        sealedTypes: sealedTypes(request),
        ...wayOn(request, resource, name, turn),
        names: [],
        from: [],
      }
      let list: List | ReturnType<typeof listOf>
      if (resource === requestUri(turn)) {
        list = requestContainedList(request, senderOf(request, turn).identities[0] ?? '', context, turn)
      } else list = listOf(resource, context, turn)
      if (list === 'missing') throw notFound()
      if (list === 'too-long') throw tooLong(turn)
      return openNode(id, node, list, context, turn)
    },
    ended: ({ id }, turn) => closeNode(id, context, turn),

    body(subscription, turn, { full }) {
      const { id, resource, record } = subscription
      const node = nodeOf(turn.db, id)
      if (node === undefined) return undefined
      // What was told shortly before the process ended may never have left.
      const isCutShort =
        record.notifiedAt <= context.restartedAt() && record.notifiedAt > context.restartedAt() - limits.requestRepeatMs
      const isWhole = full || isCutShort || node.version === 0
      const state = listState(id, node, isWhole, tellingOf(resource, record), context, turn)
      if (state === undefined) return 'unchanged'
      const { contentType, body } = state
      const entityTag = toldTag(id, turn.db)
      if (!state.isUnfinished) return { contentType, body, entityTag }
      return { contentType, body, entityTag, outputs: notifier().notifySubscription(name, resource, id, turn) }
    },
    entityTag: ({ id }, { db }) => toldTag(id, db),
    /** Documents of what is new add to those before (§5.6.2). */
    isBehind: ({ id }, { db }) => newsOf(db, id, 1).length > 0,
    /** Only a document with full state can follow one that has not arrived (§5.6.2). */
    notifyFailed({ record }) {
      record.revision = -1
      return true
    },
    lastBody: ({ id, resource, record }: Subscription, turn, isWished) => {
      const node = nodeOf(turn.db, id)
      if (node === undefined) return undefined
      // A SUBSCRIBE is followed by all there is, even the last one (§5.2); nothing else that ends can be.
      const telling = tellingOf(resource, record)
      return isWished
        ? listState(id, node, true, telling, context, turn)
        : emptyListState(id, node, telling, context, turn)
    },
  }
}

/** The entity-tag of what has been told by the last document. */
function toldTag(id: string, db: Transaction): string | undefined {
  const node = nodeOf(db, id)
  return node && `${id}.${node.version}`
}

/** How the subscriber of a list is told of it. */
function tellingOf(resource: string, { extras }: Subscription['record']): ListTelling {
  return { dialect: extras?.dialect, filters: listFilters(extras?.filters ?? [], resource) }
}

/** Members elsewhere are subscribed to with other filters from now on. */
function renewRemotes(id: string, context: ListContext, turn: Turn): Output[] {
  return [...remoteMembersBelow(id, turn)].flatMap(([node, key]) => {
    forgetFiltersRefused(node, key, turn)
    return renewRemote(node, key, context, turn)
  })
}

/** Whether a watcher takes presence by what has changed; only one who says so himself does (RFC 5263 §4.3). */
function takesPartial(request: SipRequest): boolean {
  return request.headers('Accept').some(type => /^application\/pidf-diff\+xml\s*(?:;|$)/i.test(type))
}

/** What a watcher takes of what may be signed or encrypted for him: whoever does that must know (RFC 4662 §7.3). */
function sealedTypes(request: SipRequest): string[] {
  const types = request.headers('Accept').map(type => type.split(';', 1)[0]!.trim().toLowerCase())
  return ['multipart/signed', 'application/pkcs7-mime'].filter(type => types.includes(type))
}

/**
 * Whether a Request-URI is for this server: its own, a list, or an address with the parameter that makes it one, which is no
 * user's even when there is no such list (RLS-24).
 */
export function isListUri(requested: Uri, context: ListContext, turn: Pick<Turn, 'db' | 'settings'>): boolean {
  const uri = listUri(requested, context, turn.db)
  const { documents } = context
  return (
    uri === requestUri(turn) ||
    addressOfList(uri) !== undefined ||
    documents.placeOf(turn.db, uri) !== undefined ||
    documents.mayBeService(turn.db, uri)
  )
}
