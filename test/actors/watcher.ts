/**
 * The Watcher and the Watcher Information Subscriber (AD §5.1): subscriptions of one user agent (RFC 6665 §4.1) and what
 * they were notified of, read with a parser that is not ours.
 */

import { inflateSync } from 'node:zlib'
import { XMLParser } from 'fast-xml-parser'
import { type HeaderField, respond, type SipRequest } from '../../src/protocols/sip/message.ts'
import type { Instant } from '../../src/turn.ts'
import { ListTable } from './list-table.ts'
import { PartialView } from './partial-view.ts'
import type { Exchange, UserAgent } from './user-agent.ts'
import { type Filtering, filterBody } from './watcher-filters.ts'

/** One NOTIFY as the watcher reads it. */
export interface Notification {
  readonly at: Instant
  readonly cseq: number
  /** active, pending or terminated. */
  readonly state: string
  readonly reason: string | undefined
  readonly contentType: string | undefined
  readonly body: string
  /** For a presence document: whether any tuple is open; undefined without a document. */
  readonly presence: 'open' | 'closed' | undefined
  readonly notes: readonly string[]
  /** For watcher information: `sip:bob@box.example active subscribe`. */
  readonly watchers: readonly string[]
  readonly version: number | undefined
  /** What it is a NOTIFY of (RFC 5839 §6.1). */
  readonly entityTag: string | undefined
}

export interface Subscription {
  readonly event: string
  readonly resource: string
  readonly callId: string
  readonly localTag: string
  remoteTag: string | undefined
  remoteTarget: string | undefined
  routes: string[]
  readonly notifications: Notification[]
  /** How many of them a flow has looked at. */
  seen: number
  /** Faults of the notifier that no flow needs to ask for: a version running backwards, a NOTIFY after the end. */
  readonly faults: string[]
  exchange: Exchange
  /** What is known of the members, if the subscription is one to a list. */
  readonly list: ListTable | undefined
  /** The watcher's own copy of the document, if he is told of changes alone (RFC 5263). */
  readonly partial: PartialView | undefined
  /** The header fields that every SUBSCRIBE of it carries. */
  readonly fields: readonly HeaderField[]
  readonly wishes: Wishes
}

/** What a SUBSCRIBE says besides. */
export interface Wishes {
  /** It is to a list (RFC 4662 §4.1). */
  readonly toList?: boolean
  /** He takes what has changed alone (RFC 5263 §4.2). */
  readonly partial?: boolean
  /** What he wants to be told of, and when. */
  readonly filtering?: Filtering
  /** Notifications in a second, as parameters of Event have it (RFC 6446 §9): `max-rate=0.5`. */
  readonly rate?: string
  readonly headers?: readonly HeaderField[]
  readonly body?: string
  readonly accept?: string
}

const accepted: Record<string, string> = {
  presence: 'application/pidf+xml',
  'presence.winfo': 'application/watcherinfo+xml',
  reg: 'application/reginfo+xml',
}

/** What one who can read lists says (RFC 4662 §4.1, §4.3). */
function listFields(event: string, accept?: string): HeaderField[] {
  return [
    ['Supported', 'eventlist'],
    ['Accept', accept ?? `multipart/related, application/rlmi+xml, ${accepted[event] ?? '*/*'}`],
  ]
}

const xml = new XMLParser({
  ignoreAttributes: false,
  removeNSPrefix: true,
  attributeNamePrefix: '@',
  isArray: name => ['tuple', 'note', 'watcher', 'watcher-list', 'person', 'registration', 'contact'].includes(name),
})

export class Watcher {
  readonly agent: UserAgent
  readonly subscriptions: Subscription[] = []
  /** So many of the NOTIFYs to come that tell of changes alone are refused, as if there was no memory for them. */
  refuses = 0

  constructor(agent: UserAgent) {
    this.agent = agent
    agent.handlers.set('NOTIFY', (request, now) => this.#notified(request, now))
  }

  /** `expires` in seconds; 0 outside a dialog is a fetch (RFC 6665 §4.4.3). */
  subscribe(resource: string, event: string, expires: number, now: Instant, wishes: Wishes = {}): Subscription {
    const type = wishes.partial ? `${accepted[event]}, application/pidf-diff+xml` : (accepted[event] ?? '*/*')
    const fields = wishes.toList ? listFields(event, wishes.accept) : ([['Accept', type]] as const)
    const filters = filterBody(wishes.filtering ?? {})
    const callId = `${this.agent.token(16)}@${this.agent.options.name.toLowerCase()}`
    const localTag = this.agent.token()
    const exchange = this.agent.send(
      'SUBSCRIBE',
      resource,
      [
        ['From', `<${this.agent.options.aor}>;tag=${localTag}`],
        ['Call-ID', callId],
        ['Event', wishes.rate === undefined ? event : `${event};${wishes.rate}`],
        ['Expires', String(expires)],
        ...fields,
        ...filters.headers,
        ...(wishes.headers ?? []),
      ],
      now,
      wishes.body ?? filters.body,
    )
    const subscription: Subscription = {
      event,
      resource,
      callId,
      localTag,
      remoteTag: undefined,
      remoteTarget: undefined,
      routes: [],
      notifications: [],
      seen: 0,
      faults: [],
      exchange,
      list: wishes.toList ? new ListTable() : undefined,
      partial: wishes.partial ? new PartialView() : undefined,
      fields,
      wishes,
    }
    this.subscriptions.push(subscription)
    return subscription
  }

  /** Refreshes, or with 0 ends, a subscription in its dialog. */
  refresh(
    subscription: Subscription,
    expires: number,
    now: Instant,
    headers: readonly HeaderField[] = [],
    body?: string,
  ): Exchange {
    const fields: HeaderField[] = [
      ['From', `<${this.agent.options.aor}>;tag=${subscription.localTag}`],
      ['To', `<${subscription.resource}>;tag=${subscription.remoteTag ?? ''}`],
      ['Call-ID', subscription.callId],
      ['Event', [subscription.event, subscription.wishes.rate].filter(Boolean).join(';')],
      ['Expires', String(expires)],
      ...subscription.fields,
      ...headers,
    ]
    const target = subscription.remoteTarget ?? subscription.resource
    subscription.exchange = this.agent.send('SUBSCRIBE', target, fields, now, body)
    return subscription.exchange
  }

  /** The latest subscription to a resource. */
  latest(resource: string, event: string): Subscription | undefined {
    return this.subscriptions.findLast(one => one.resource === resource && one.event === event)
  }

  #notified(request: SipRequest, now: Instant): ReturnType<typeof respond> {
    const subscription = this.subscriptions.find(one => one.callId === request.callId && one.localTag === request.toTag)
    if (!subscription) return respond(request, 481)
    if (this.refuses > 0 && subscription.partial !== undefined) {
      this.refuses--
      return respond(request, 500)
    }
    const notification = read(request, now)
    const last = subscription.notifications.at(-1)
    if (last && notification.cseq <= last.cseq) {
      // Overtaken on its way: whether the sender counted right is seen where it sends (RFC 3261 §12.2.2).
      return respond(request, 500)
    }
    if (last?.state === 'terminated') subscription.faults.push('a NOTIFY after terminated')
    const lastVersion = subscription.notifications.findLast(({ version }) => version !== undefined)?.version
    if (notification.version !== undefined && lastVersion !== undefined && notification.version <= lastVersion)
      subscription.faults.push(`version ${notification.version} after ${lastVersion}`)
    subscription.notifications.push(notification)
    if (subscription.partial !== undefined) {
      subscription.partial.receive(notification.contentType, notification.body)
      subscription.faults.push(...subscription.partial.faults.splice(0))
    }
    if (subscription.list !== undefined) {
      const contentType = request.header('Content-Type') ?? ''
      // A refresh may cross a NOTIFY on its way, so only of the first one is it known that it is the answer.
      const isFirst = subscription.notifications.length === 1
      subscription.list.apply(contentType, notification.body, isFirst, notification.state === 'terminated')
      subscription.faults.push(...subscription.list.faults.splice(0))
      if (!request.headers('Require').includes('eventlist')) subscription.faults.push('no Require: eventlist')
    }
    subscription.remoteTag = request.fromTag
    const contact = request.contacts
    if (contact !== '*' && contact[0]) subscription.remoteTarget = /<([^>]*)>/.exec(request.header('Contact')!)?.[1]
    subscription.routes = request.headers('Record-Route')
    return respond(request, 200)
  }
}

function read(request: SipRequest, now: Instant): Notification {
  const [state, ...params] = (request.header('Subscription-State') ?? '').split(';')
  const reason = params.find(one => one.trim().startsWith('reason='))?.split('=')[1]
  const isDeflated = request.header('Content-Encoding') === 'deflate'
  const body = (isDeflated ? inflateSync(request.body) : Buffer.from(request.body)).toString()
  const contentType = request.contentType?.type
  const document = body === '' || contentType === 'multipart/related' ? {} : xml.parse(body)
  const tuples: Record<string, never>[] = document.presence?.tuple ?? []
  return {
    at: now,
    cseq: request.cseq.number,
    state: state!.trim(),
    reason,
    contentType,
    body,
    presence:
      document.presence === undefined
        ? undefined
        : tuples.some(one => (one as { status?: { basic?: string } }).status?.basic === 'open')
          ? 'open'
          : 'closed',
    notes: tuples.flatMap(one => ((one as { note?: unknown[] }).note ?? []).map(noteText)),
    watchers: (document.watcherinfo?.['watcher-list'] ?? []).flatMap((list: { watcher?: Record<string, string>[] }) =>
      (list.watcher ?? []).map(one => `${one['#text']} ${one['@status']} ${one['@event']}`),
    ),
    version: document.watcherinfo ? Number(document.watcherinfo['@version']) : undefined,
    entityTag: request.header('SIP-ETag'),
  }
}

function noteText(note: unknown): string {
  return typeof note === 'object' && note !== null ? String((note as Record<string, unknown>)['#text']) : String(note)
}
