/**
 * The Watcher and the Watcher Information Subscriber (AD §5.1): subscriptions of one user agent (RFC 6665 §4.1) and what
 * they were notified of, read with a parser that is not ours.
 */

import { XMLParser } from 'fast-xml-parser'
import { type HeaderField, respond, type SipRequest } from '../../src/protocols/sip/message.ts'
import type { Instant } from '../../src/turn.ts'
import type { Exchange, UserAgent } from './user-agent.ts'

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
}

const accepted: Record<string, string> = {
  presence: 'application/pidf+xml',
  'presence.winfo': 'application/watcherinfo+xml',
  reg: 'application/reginfo+xml',
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

  constructor(agent: UserAgent) {
    this.agent = agent
    agent.handlers.set('NOTIFY', (request, now) => this.#notified(request, now))
  }

  /** `expires` in seconds; 0 outside a dialog is a fetch (RFC 6665 §4.4.3). */
  subscribe(resource: string, event: string, expires: number, now: Instant): Subscription {
    const callId = `${this.agent.token(16)}@${this.agent.options.name.toLowerCase()}`
    const localTag = this.agent.token()
    const exchange = this.agent.send(
      'SUBSCRIBE',
      resource,
      [
        ['From', `<${this.agent.options.aor}>;tag=${localTag}`],
        ['Call-ID', callId],
        ['Event', event],
        ['Accept', accepted[event] ?? '*/*'],
        ['Expires', String(expires)],
      ],
      now,
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
    }
    this.subscriptions.push(subscription)
    return subscription
  }

  /** Refreshes, or with 0 ends, a subscription in its dialog. */
  refresh(subscription: Subscription, expires: number, now: Instant): Exchange {
    const fields: HeaderField[] = [
      ['From', `<${this.agent.options.aor}>;tag=${subscription.localTag}`],
      ['To', `<${subscription.resource}>;tag=${subscription.remoteTag ?? ''}`],
      ['Call-ID', subscription.callId],
      ['Event', subscription.event],
      ['Accept', accepted[subscription.event] ?? '*/*'],
      ['Expires', String(expires)],
    ]
    const target = subscription.remoteTarget ?? subscription.resource
    subscription.exchange = this.agent.send('SUBSCRIBE', target, fields, now)
    return subscription.exchange
  }

  /** The latest subscription to a resource. */
  latest(resource: string, event: string): Subscription | undefined {
    return this.subscriptions.findLast(one => one.resource === resource && one.event === event)
  }

  #notified(request: SipRequest, now: Instant): ReturnType<typeof respond> {
    const subscription = this.subscriptions.find(one => one.callId === request.callId && one.localTag === request.toTag)
    if (!subscription) return respond(request, 481)
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
  const body = Buffer.from(request.body).toString()
  const contentType = request.contentType?.type
  const document = body === '' ? {} : xml.parse(body)
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
  }
}

function noteText(note: unknown): string {
  return typeof note === 'object' && note !== null ? String((note as Record<string, unknown>)['#text']) : String(note)
}
