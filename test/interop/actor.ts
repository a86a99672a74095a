/**
 * A user of the box written for these tests alone, over UDP: publishes, watches and registers with a password, so that a
 * client under test has somebody to see and to be seen by. It shares no code with the box.
 */

import { createHash } from 'node:crypto'
import { type Answer, headerOf, LoadClient, type Notification } from '../bench/load.ts'
import { domain, passwordOf } from './box.ts'

const contentTypes = {
  presence: 'application/pidf+xml',
  'presence.winfo': 'application/watcherinfo+xml',
  reg: 'application/reginfo+xml',
} as const

export type EventName = keyof typeof contentTypes

export class Actor {
  readonly #client: LoadClient
  readonly #user: string
  readonly #run = Math.random().toString(36).slice(2, 10)
  #cseq = 1
  #entityTag = ''
  #serial = 0
  readonly #subscriptions = new Map<string, { callId: string; toTag: string; target: string; routes: string[] }>()
  /** Every NOTIFY so far, in order. */
  readonly notifications: Notification[] = []
  /** Every other request so far, as it came. */
  readonly received: string[] = []
  readonly #waiting = new Set<() => void>()

  static async open(user: string, port: number): Promise<Actor> {
    return new Actor(user, await LoadClient.open({ address: '127.0.0.1', port }, 1))
  }

  private constructor(user: string, client: LoadClient) {
    this.#user = user
    this.#client = client
    client.onOther = text => {
      this.received.push(text)
      for (const look of [...this.#waiting]) look()
    }
  }

  close(): void {
    this.#client.close()
  }

  get aor(): string {
    return `sip:${this.#user}@${domain}`
  }

  async register(expiresSeconds = 600): Promise<Answer> {
    const contact = `<sip:${this.#user}@${this.#client.hostPort(0)}>`
    return this.#request('REGISTER', `sip:${domain}`, this.aor, `r${this.#run}`, '', [
      `Contact: ${contact}`,
      'Supported: path',
      `Expires: ${expiresSeconds}`,
    ])
  }

  async message(user: string, text: string): Promise<Answer> {
    const uri = `sip:${user}@${domain}`
    return this.#request('MESSAGE', uri, uri, `m${this.#run}${this.#serial++}`, '', ['Content-Type: text/plain'], text)
  }

  /** Publishes one tuple with that status and note, and what else is given, in place of the publication before. */
  async publish(basic: 'open' | 'closed', note: string, more = ''): Promise<Answer> {
    const body =
      `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${this.aor}">` +
      `<tuple id="a1"><status><basic>${basic}</basic></status><contact>${this.aor}</contact><note>${note}</note></tuple>${more}</presence>`
    const lines = ['Event: presence', 'Expires: 600', 'Content-Type: application/pidf+xml']
    if (this.#entityTag !== '') lines.push(`SIP-If-Match: ${this.#entityTag}`)
    const answer = await this.#request('PUBLISH', this.aor, this.aor, `p${this.#run}${this.#serial++}`, '', lines, body)
    this.#entityTag = headerOf(answer.text, 'SIP-ETag')
    return answer
  }

  /** Takes the publication back. */
  async unpublish(): Promise<Answer> {
    const lines = ['Event: presence', 'Expires: 0', `SIP-If-Match: ${this.#entityTag}`]
    this.#entityTag = ''
    return this.#request('PUBLISH', this.aor, this.aor, `p${this.#run}${this.#serial++}`, '', lines)
  }

  /** Subscribes to a user's presence, or another event package; again refreshes, 0 seconds end it. */
  async watch(
    user: string,
    expiresSeconds = 600,
    event: EventName = 'presence',
    accept: string = contentTypes[event],
  ): Promise<Answer> {
    const uri = `sip:${user}@${domain}`
    const subscription = this.#subscriptions.get(`${user} ${event}`) ?? {
      callId: `s${this.#run}${user}${event}`,
      toTag: '',
      target: uri,
      routes: [],
    }
    this.#subscriptions.set(`${user} ${event}`, subscription)
    this.#client.onNotify(subscription.callId, notification => {
      this.notifications.push(notification)
      for (const look of [...this.#waiting]) look()
    })
    const answer = await this.#request('SUBSCRIBE', subscription.target, uri, subscription.callId, subscription.toTag, [
      ...subscription.routes.map(route => `Route: ${route}`),
      `Contact: <sip:${this.#user}@${this.#client.hostPort(0)}>`,
      `Event: ${event}`,
      `Accept: ${accept}`,
      `Expires: ${expiresSeconds}`,
    ])
    if (answer.status > 299 || subscription.toTag !== '') return answer
    subscription.toTag = /;tag=([^;\s]+)/.exec(headerOf(answer.text, 'To'))?.[1] ?? ''
    subscription.target = /<([^>]+)>/.exec(headerOf(answer.text, 'Contact'))?.[1] ?? uri
    subscription.routes = headerOf(answer.text, 'Record-Route')
      .split(/\s*,\s*/)
      .filter(Boolean)
      .reverse()
    return answer
  }

  /** Subscribes to users as one list, which comes with the request (RFC 5367). */
  async watchList(
    users: readonly string[],
    expiresSeconds = 600,
    accept: string = contentTypes.presence,
  ): Promise<Answer> {
    const callId = `l${this.#run}${this.#serial++}`
    this.#client.onNotify(callId, notification => {
      this.notifications.push(notification)
      for (const look of [...this.#waiting]) look()
    })
    const entries = users.map(user => `<entry uri="sip:${user}@${domain}"/>`).join('')
    const list = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${entries}</list></resource-lists>`
    const lines = [
      `Contact: <sip:${this.#user}@${this.#client.hostPort(0)}>`,
      'Event: presence',
      'Require: recipient-list-subscribe',
      'Supported: eventlist',
      `Accept: multipart/related, application/rlmi+xml, ${accept}`,
      'Content-Disposition: recipient-list',
      'Content-Type: application/resource-lists+xml',
      `Expires: ${expiresSeconds}`,
    ]
    const uri = `sip:rls@${domain}`
    return this.#request('SUBSCRIBE', uri, uri, callId, '', lines, list)
  }

  /** Resolves with the first NOTIFY, already come or still to come, that is as wanted. */
  notified(wanted: (notification: Notification) => boolean, what: string): Promise<Notification> {
    const had = () =>
      this.notifications.map(({ subscriptionState, body }) => `${subscriptionState}\n${body}`).join('\n')
    return this.#until(() => this.notifications.find(wanted), `NOTIFY with ${what}; had:`, had)
  }

  /** Resolves with the first other request that has this text in it. */
  receives(text: string): Promise<string> {
    return this.#until(
      () => this.received.find(request => request.includes(text)),
      `request with ${text}; had:`,
      () => this.received.join('\n'),
    )
  }

  async #until<T>(find: () => T | undefined, what: string, had: () => string, withinMs = 15_000): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    let look = () => {}
    try {
      return await new Promise((resolve, reject) => {
        look = () => {
          const found = find()
          if (found !== undefined) resolve(found)
        }
        this.#waiting.add(look)
        timer = setTimeout(() => reject(new Error(`${this.#user} had no ${what}\n${had()}`)), withinMs)
        look()
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(look)
    }
  }

  /** Sends the request, and once more with credentials when it is challenged. */
  async #request(
    method: string,
    uri: string,
    to: string,
    callId: string,
    toTag: string,
    lines: readonly string[],
    body = '',
  ): Promise<Answer> {
    const send = (credentials: string) =>
      this.#client.request(
        0,
        `${method} ${uri}`,
        `Max-Forwards: 70\r\nFrom: <${this.aor}>;tag=f${this.#run}\r\nTo: <${to}>${toTag ? `;tag=${toTag}` : ''}\r\n` +
          `Call-ID: ${callId}\r\nCSeq: ${this.#cseq++} ${method}\r\n${lines.map(line => `${line}\r\n`).join('')}${credentials}`,
        body,
      )
    const answer = await send('')
    if (answer.status !== 401 && answer.status !== 407) return answer
    const [ask, reply] =
      answer.status === 401 ? ['WWW-Authenticate', 'Authorization'] : ['Proxy-Authenticate', 'Proxy-Authorization']
    const credentials = this.#credentials(method, uri, headerOf(answer.text, ask))
    return send(`${reply}: ${credentials}\r\n`)
  }

  /** RFC 7616 §3.4 with qop=auth. */
  #credentials(method: string, uri: string, challenge: string): string {
    const parameter = (name: string) => new RegExp(`${name}="?([^",]+)"?`, 'i').exec(challenge)?.[1] ?? ''
    const algorithm = parameter('algorithm') || 'MD5'
    const hash = (text: string) =>
      createHash(algorithm.toUpperCase() === 'SHA-256' ? 'sha256' : 'md5')
        .update(text)
        .digest('hex')
    const [realm, nonce] = [parameter('realm'), parameter('nonce')]
    const secret = hash(`${this.#user}:${realm}:${passwordOf(this.#user)}`)
    const response = hash(`${secret}:${nonce}:00000001:c0ffee:auth:${hash(`${method}:${uri}`)}`)
    const opaque = parameter('opaque')
    return (
      `Digest username="${this.#user}", realm="${realm}", nonce="${nonce}", uri="${uri}", algorithm=${algorithm}, qop=auth, ` +
      `nc=00000001, cnonce="c0ffee", response="${response}"${opaque ? `, opaque="${opaque}"` : ''}`
    )
  }
}
