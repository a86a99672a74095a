/** Members who live elsewhere (RFC 4662 §4, PRS-4): a back-end subscription for each (`back-end-subject.ts`), and what it has told. */

import { MultipartError } from '../../documents/multipart.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { type Output, type Transaction, type Turn, table } from '../../turn.ts'
import type { ListContext } from './context.ts'
import { mergedList, type RemoteList, tellsOfList } from './remote-list.ts'

export interface RemoteState {
  readonly state: 'active' | 'pending' | 'terminated'
  readonly reason: string | undefined
  /** The last state told, as it came. */
  readonly contentType: string
  readonly body: Uint8Array | undefined
  /** In place of a body: that of a list. */
  readonly list: RemoteList | undefined
}

/** Keyed [node, canonical URI]; nothing while nothing has been told. */
const states = table<RemoteState>('list remote states', 'soft')
/** Members whose notifier takes no filters: keyed likewise. */
const refusals = table<null>('list filter refusals', 'soft')

export function remoteState(db: Transaction, id: string, key: string): RemoteState | undefined {
  return db.get(states, [id, key])
}

/** Subscribes to a member, unless no way leads there. */
export function openRemote(id: string, key: string, context: ListContext, turn: Turn): Output[] {
  return context.subscriber.subscribe(keyOf(id, key), turn)
}

export function closeRemote(id: string, key: string, context: ListContext, turn: Turn): Output[] {
  turn.db.delete(states, [id, key])
  turn.db.delete(refusals, [id, key])
  return context.subscriber.unsubscribe(keyOf(id, key), turn)
}

/** Subscribes to a member anew, since what is asked for is another; what was told last stands until then. */
export function renewRemote(id: string, key: string, context: ListContext, turn: Turn): Output[] {
  const subscription = keyOf(id, key)
  return [...context.subscriber.unsubscribe(subscription, turn), ...context.subscriber.subscribe(subscription, turn)]
}

/** A notifier takes no filters (RFC 4660 §3.3.4): it is asked without from now on. False when that was known. */
export function noteFiltersRefused(id: string, key: string, turn: Turn): boolean {
  if (hasRefusedFilters(turn.db, id, key)) return false
  turn.db.put(refusals, [id, key], null)
  return true
}

/** Other filters may be taken. */
export function forgetFiltersRefused(id: string, key: string, { db }: Turn): void {
  db.delete(refusals, [id, key])
}

export function hasRefusedFilters(db: Transaction, id: string, key: string): boolean {
  return db.get(refusals, [id, key]) !== undefined
}

/** Whether a member could not be subscribed to, and is not tried again by itself: what passes is, in the time its notifier has said. */
export function isRefusedRemote(db: Transaction, id: string, key: string): boolean {
  const told = remoteState(db, id, key)
  return told?.state === 'terminated' && (told.reason === 'rejected' || told.reason === 'noresource')
}

/** Whether there is a subscription to a member, or will be. */
export function holdsRemote(id: string, key: string, context: ListContext, turn: Turn): boolean {
  return context.subscriber.record(keyOf(id, key), turn) !== undefined
}

/** Keeps what a NOTIFY has told of a member. */
export function noteRemote(id: string, key: string, request: SipRequest, context: ListContext, turn: Turn): Output[] {
  const before = remoteState(turn.db, id, key)
  // Any other word than these is one for `active` (RFC 6665 §4.1.3).
  const state = /^\s*pending\b/i.test(request.header('Subscription-State') ?? '') ? 'pending' : 'active'
  const outputs: Output[] = []
  let [contentType, body, list] = [before?.contentType ?? '', before?.body, before?.list]
  if (request.body.length > 0) {
    contentType = request.header('Content-Type') ?? ''
    if (tellsOfList(contentType)) {
      body = undefined
      list = readable(list, contentType, request.body)
      // Asked for once: COMPAT(kamailio) answers a refresh without full state too (RLS-06), and would be asked on and on.
      if (list?.isWhole === false && before?.list?.isWhole !== false)
        outputs.push(...context.subscriber.refresh(keyOf(id, key), turn))
    } else {
      list = undefined
      body = request.body
    }
    // Who is no longer granted what he saw before is told so without a state.
  } else if (state === 'pending') [contentType, body, list] = ['', undefined, undefined]
  turn.db.put(states, [id, key], { state, reason: undefined, contentType, body, list })
  return outputs
}

/** There is no subscription to a member any more, or none has come about. `why`: a reason of Subscription-State, or a status. */
export function noteLost(id: string, key: string, why: string, turn: Turn): void {
  // RFC 6665 §4.1.3: what will not change any more still is.
  const last = why === 'invariant' ? remoteState(turn.db, id, key) : undefined
  const { contentType, body, list } = last ?? { contentType: '', body: undefined, list: undefined }
  turn.db.put(states, [id, key], { state: 'terminated', reason: reasonOf(why), contentType, body, list })
}

/** RLS-15: as which reason a refusal is told. What passes is tried again, so it is `probation`. */
function reasonOf(why: string): string {
  if (['404', '410', '416', '482', '483', '484', '485', '604'].includes(why)) return 'noresource'
  if (why === '481' || why === 'terminated') return 'deactivated'
  if (/^(?:408|480|486|5\d\d)$/.test(why) || why === 'no NOTIFY') return 'probation'
  return /^\d/.test(why) || why.includes(' ') ? 'rejected' : why
}

/** The member that a back-end subscription is for. */
export function memberOfKey(subscription: string): readonly [id: string, key: string] {
  const colon = subscription.indexOf(':')
  return [subscription.slice(0, colon), subscription.slice(colon + 1)]
}

function keyOf(id: string, key: string): string {
  return `${id}:${key}`
}

/** What cannot be read leaves what was known before. */
function readable(before: RemoteList | undefined, contentType: string, body: Uint8Array): RemoteList | undefined {
  try {
    return mergedList(before, contentType, body)
  } catch (error) {
    if (error instanceof MultipartError || error instanceof XmlError) return before
    throw error
  }
}
