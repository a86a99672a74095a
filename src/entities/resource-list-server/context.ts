/** What the parts of the Resource List Server share: where lists are, who is who, and what there is to tell of members. */

import type { Filter } from '../../documents/simple-filter.ts'
import { ParseError } from '../../protocols/sip/errors.ts'
import { parseUri, type SipUri, type Uri } from '../../protocols/sip/uri.ts'
import type { Subscriber as Watcher } from '../../protocols/sip-events/event-package.ts'
import type { ResourceState, Telling } from '../../protocols/sip-events/notifier.ts'
import type { Subscriber } from '../../protocols/sip-events/subscriber.ts'
import type { Suppression } from '../../protocols/sip-events/suppression.ts'
import type { Instant, Transaction, Turn } from '../../turn.ts'
import { serviceUri } from '../xdms/rls-xdms/service-uri.ts'
import type { ListDocuments } from './list-documents.ts'
import type { ListNode } from './nodes.ts'

/** What the Presence Server exports of one member to one watcher (RLS-16): what he would be notified of, by the same code. */
export interface MemberStates {
  stateFor(
    packageName: string,
    presentity: string,
    id: string,
    watcher: Watcher,
    telling: Telling,
    turn: Turn,
  ): ResourceState | undefined
  /** Filters of watchers compared with their own presence (PS-138). */
  readonly suppression: Suppression
  /** Whether the leg with this id stands. */
  hasLeg(packageName: string, presentity: string, id: string, db: Transaction): boolean
}

export interface ListContext {
  readonly documents: ListDocuments
  readonly states: MemberStates
  /** The address-of-record that a URI stands for here, whether or not he is a user; undefined when it leads elsewhere. */
  userOf(uri: Uri): string | undefined
  /** The Route values by which another domain is reached; undefined when it is not served. */
  routeTo(uri: SipUri): readonly string[] | undefined
  /** The filters of the subscription at the root of a tree (RFC 4660). */
  filtersOf(root: { readonly id: string; readonly node: ListNode }, turn: Turn): readonly Filter[]
  /** Holds the back-end subscriptions to members elsewhere. */
  readonly subscriber: Subscriber
  /** When this process took up service. */
  restartedAt(): Instant
}

/** The canonical URI of a list: an address of the box serves as another name of its domain, unless a list is called by it. */
export function listUri(uri: Uri, { userOf, documents }: ListContext, db: Transaction): string {
  const own = serviceUri(uri)
  const here = serviceUri(uri, userOf(uri))
  return here === own || documents.placeOf(db, own) !== undefined ? own : here
}

/** Whether a canonical URI is that of a user or a list of this box. */
export function isOursIn(uri: string, context: ListContext, turn: Turn): boolean {
  if (context.documents.placeOf(turn.db, uri) !== undefined) return true
  try {
    return context.userOf(parseUri(uri)) !== undefined
  } catch (error) {
    if (error instanceof ParseError) return false
    throw error
  }
}

/** The event packages that lists are served for; of a list by request the same (RFC 5367, RLS-31). */
export const listPackages = ['presence', 'presence.winfo'] as const
