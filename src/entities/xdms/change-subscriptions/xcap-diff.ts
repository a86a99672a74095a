/**
 * The event packages by which clients hear of changes of documents: `xcap-diff` (RFC 5875), and `ua-profile` with application
 * profiles, by which clients of OMA XDM 1 ask for the same (DEC-08, XDM-55).
 */

import { resourceListsNamespace, resourceListsType } from '../../../documents/resource-lists.ts'
import { xcapDiffType } from '../../../documents/xcap-diff.ts'
import { XmlError } from '../../../documents/xml/errors.ts'
import { parseXml } from '../../../documents/xml/parse.ts'
import { attributeValue, childElements } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import { badRequest, forbidden, notFound } from '../../../protocols/sip/errors.ts'
import type { SipRequest } from '../../../protocols/sip/message.ts'
import { Params } from '../../../protocols/sip/params.ts'
import type { EventPackage } from '../../../protocols/sip-events/event-package.ts'
import { senderOf } from '../../../protocols/sip-events/request.ts'
import type { Subscription } from '../../../protocols/sip-events/subscription.ts'
import type { Turn } from '../../../turn.ts'
import { newsFor, stateOf } from './differences.ts'
import type { Reader } from './present.ts'
import { type DiffProcessing, forget, putSelection, putTold, type SubscriptionKey, selectionOf } from './records.ts'
import { authorityOf, resolveSelection, type SelectionContext } from './selection.ts'

export interface ChangePackageOptions extends Pick<SelectionContext, 'usages' | 'userOf'> {
  isUser(turn: Turn, user: string): boolean
  /** Whether a request is for the box as a whole, or for one of its users. */
  isServed(request: SipRequest, turn: Turn): boolean
  /** Scheme and authority of the XCAP root, for who does not say by which he knows it. */
  authority(turn: Turn): string
  readerOf(user: string, turn: Turn): Reader
}

/** `xcap-diff`: what it is about is in the body. */
export function xcapDiffPackage(options: ChangePackageOptions): EventPackage {
  return changePackage('xcap-diff', 3600, options, request => listedUris(request)) // RFC 5875 §4.5
}

/** `ua-profile`: what it is about is in the Event header field, or in a body as above. */
export function uaProfilePackage(options: ChangePackageOptions): EventPackage {
  return changePackage('ua-profile', 86_400, options, (request, user) => {
    const event = eventParameters(request)
    const type = unquoted(event.get('profile-type'))
    if (type === undefined) throw badRequest('profile-type Expected in Event')
    // RFC 6080 §6.1: no other profiles are kept here.
    if (type !== 'application') throw notFound('No Such Profile')
    return listedUris(request) ?? namedUris(event, user)
  })
}

function changePackage(
  name: string,
  defaultExpiresSeconds: number,
  options: ChangePackageOptions,
  urisOf: (request: SipRequest, user: string) => readonly string[] | undefined,
): EventPackage {
  return {
    name,
    contentTypes: [xcapDiffType],
    subscribeContentTypes: [resourceListsType],
    defaultExpiresSeconds,
    minNotifyIntervalMs: () => 5000, // RFC 5875 §4.10

    /** A subscription is its subscriber's: he hears of what he may read, whomever he has addressed. */
    resource(request, turn) {
      if (!options.isServed(request, turn)) throw notFound()
      const user = senderOf(request, turn).identities.find(identity => options.isUser(turn, identity))
      if (user === undefined) throw forbidden()
      return user
    },
    exists: (user, turn) => options.isUser(turn, user),
    authorize(user, subscriber, turn) {
      if (!options.isUser(turn, user)) throw notFound()
      if (!subscriber.identities.includes(user)) throw forbidden()
      return 'active'
    },

    /** §4.4: a list in a later SUBSCRIBE takes the place of the one before; without one that stays. */
    accepted(subscription, request, turn) {
      const key = keyOf(subscription)
      const uris = urisOf(request, subscription.resource)
      const known = selectionOf(turn.db, key)
      const processing = processingOf(request)
      if (uris === undefined && known === undefined) throw badRequest('A List of URIs Expected')
      if (uris === undefined) {
        putSelection(turn.db, key, { ...known!, processing })
        return
      }
      const { root } = turn.settings.xcap
      const { usages, userOf } = options
      putSelection(turn.db, key, {
        processing,
        root: `${authorityOf(uris) ?? options.authority(turn)}${root}/`,
        selected: resolveSelection(uris, { usages, userOf, root, subscriber: subscription.resource }),
      })
    },
    /** Whoever is told nothing because he knows the state (RFC 5839) knows it; whoever is told will know it too. */
    subscribed(subscription, _request, turn) {
      const key = keyOf(subscription)
      const selection = selectionOf(turn.db, key)!
      const news = newsFor(key, selection, options.readerOf(subscription.resource, turn), true, turn.db)
      putTold(turn.db, key, news!.told)
      return []
    },
    /** §4.7: of the whole state, whatever the order of the list. */
    entityTag(subscription, turn) {
      const selection = selectionOf(turn.db, keyOf(subscription))
      if (selection === undefined) return undefined
      const state = stateOf(selection, options.readerOf(subscription.resource, turn), turn.db)
      return turn.fingerprint(name, selection.root, ...state)
    },

    body(subscription, turn, { full }) {
      const key = keyOf(subscription)
      const selection = selectionOf(turn.db, key)
      if (selection === undefined) return full ? undefined : 'unchanged'
      const news = newsFor(key, selection, options.readerOf(subscription.resource, turn), full, turn.db)
      if (news === undefined) return 'unchanged'
      putTold(turn.db, key, news.told)
      return { contentType: xcapDiffType, body: news.body }
    },

    ended(subscription, turn) {
      forget(turn.db, keyOf(subscription))
      return []
    },
  }
}

function keyOf({ package: name, resource, id }: Subscription): SubscriptionKey {
  return [resource, name, id]
}

/** RFC 5875 §4.4: the entries of a flat list; whatever else stands there is ignored. Undefined without a body. Throws 400. */
function listedUris(request: SipRequest): readonly string[] | undefined {
  if (request.body.length === 0) return undefined
  try {
    const root = parseXml(request.body, { limits: limits.xcapDocument, instructions: true })
    return childElements(root, resourceListsNamespace, 'list').flatMap(list =>
      childElements(list, resourceListsNamespace, 'entry').flatMap(entry => attributeValue(entry, 'uri') ?? []),
    )
  } catch (error) {
    if (error instanceof XmlError) throw badRequest('Resource Lists Expected')
    throw error
  }
}

/** Documents named by `document`, or all of the user under each `auid`. Throws 400 when there is neither. */
function namedUris(event: Params, user: string): readonly string[] {
  const auids = listed(event.get('auid') ?? event.get('app-id') ?? event.get('appids'))
  const documents = listed(event.get('document'))
  if (documents.length > 0) {
    // COMPAT(OMA XDM 1): with an application usage beside it, a document may be named from `users` or `global` on.
    return documents.map(uri =>
      auids.length === 1 && /^\/?(?:users|global)\//.test(uri) ? `${auids[0]}/${uri.replace(/^\//, '')}` : uri,
    )
  }
  if (auids.length === 0) throw badRequest('auid or document Expected in Event')
  return auids.map(auid => `${auid}/users/${user}/`)
}

function listed(value: string | undefined): string[] {
  const text = unquoted(value)
  return text === undefined ? [] : text.split(',').flatMap(part => part.trim() || [])
}

function unquoted(value: string | undefined): string | undefined {
  return value?.replace(/^"(.*)"$/s, '$1').replace(/\\(.)/gs, '$1')
}

function eventParameters(request: SipRequest): Params {
  const text = request.header('Event') ?? ''
  const semicolon = text.indexOf(';')
  return semicolon === -1 ? Params.none : Params.parse(text.slice(semicolon))
}

/** §4.3: a token we do not know is a hint we do not take. */
function processingOf(request: SipRequest): DiffProcessing {
  const value = eventParameters(request).get('diff-processing')?.toLowerCase()
  return value === 'xcap-patching' || value === 'aggregate' ? value : 'no-patching'
}
