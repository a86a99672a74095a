/**
 * The virtual users of the load: Presence Sources that hold a publication, Watchers that hold a subscription, and user
 * agents that register. Each operation checks what came back and throws when it is not what the standard demands.
 */

import { type Answer, headerOf, type LoadClient, type Notification } from './load.ts'
import { domain } from './server.ts'

const expiresSeconds = 3600

/** A presence document of `pidfBytes` octets: one service, one person, and a note that names user and version. */
export const pidfBytes = 700

export function pidfOf(user: number, version: number): string {
  const head =
    `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" ` +
    `xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:u${user}@${domain}">` +
    `<tuple id="phone"><status><basic>${version % 2 === 0 ? 'open' : 'closed'}</basic></status>` +
    `<contact priority="0.8">sip:u${user}@127.0.0.1:5060</contact><note>${markOf(user, version)}</note>` +
    `<timestamp>2026-11-20T12:00:00Z</timestamp></tuple>` +
    `<dm:person id="p1"><rpid:activities><rpid:meeting/></rpid:activities><dm:note>`
  const tail = '</dm:note></dm:person></presence>'
  const padding = pidfBytes - head.length - tail.length
  return head + 'In a meeting until noon. '.repeat(40).slice(0, padding) + tail
}

/** What a watcher looks for in a NOTIFY to know which publication it shows. */
export function markOf(user: number, version: number): string {
  return `u${user} v${version};`
}

export class PresenceSource {
  readonly user: number
  version = 0
  #entityTag: string | undefined
  #cseq = 1
  readonly #client: LoadClient
  readonly #dialog: string

  constructor(client: LoadClient, user: number, run: string) {
    this.#client = client
    this.user = user
    this.#dialog =
      `Max-Forwards: 70\r\nFrom: <sip:u${user}@${domain}>;tag=p${user}${run}\r\nTo: <sip:u${user}@${domain}>\r\n` +
      `Call-ID: p${user}-${run}\r\n`
  }

  /** The first publication, or a modification of the one that stands (RFC 3903 §4.1, §4.4). */
  async publish(): Promise<void> {
    this.version++
    const body = pidfOf(this.user, this.version)
    await this.#send(`Content-Type: application/pidf+xml\r\n`, body)
  }

  /** RFC 3903 §4.3: no body. */
  async refresh(): Promise<void> {
    await this.#send('', '')
  }

  /** RFC 3903 §4.5. */
  async remove(): Promise<void> {
    await this.#send('', '', 0)
  }

  async #send(type: string, body: string, expires = expiresSeconds): Promise<void> {
    const condition = this.#entityTag === undefined ? '' : `SIP-If-Match: ${this.#entityTag}\r\n`
    const answer = await this.#client.request(
      this.user,
      `PUBLISH sip:u${this.user}@${domain}`,
      `${this.#dialog}CSeq: ${this.#cseq++} PUBLISH\r\nEvent: presence\r\nExpires: ${expires}\r\n${condition}${type}`,
      body,
    )
    // RFC 3903 §4.1: after 412 the next publication is a first one.
    if (answer.status === 412) this.#entityTag = undefined
    expectStatus(answer, 'PUBLISH')
    if (expires === 0) {
      this.#entityTag = undefined
      return
    }
    this.#entityTag = headerOf(answer.text, 'SIP-ETag')
    if (this.#entityTag === '') throw new Error(`PUBLISH answered without SIP-ETag:\n${answer.text}`)
  }
}

export class Watcher {
  readonly #client: LoadClient
  readonly #index: number
  readonly #presentity: number
  readonly #callId: string
  #cseq = 1
  #toTag = ''
  #lastNotifyCseq = -1
  #expected: ((notification: Notification) => void) | undefined
  readonly #accept: string
  /** The body of the last NOTIFY. */
  body = ''

  /** `index` tells watchers of one presentity apart. */
  constructor(client: LoadClient, presentity: number, index: number, run: string, accept = 'application/pidf+xml') {
    this.#client = client
    this.#accept = accept
    this.#presentity = presentity
    this.#index = index
    this.#callId = `w${presentity}-${index}-${run}`
    client.onNotify(this.#callId, notification => this.#notified(notification))
  }

  /** Subscribes, or refreshes the subscription that stands; resolves after the 200 and the NOTIFY with a body. */
  async subscribe(): Promise<void> {
    const [{ subscriptionState, body, text }] = await Promise.all([
      this.#nextNotification(),
      this.#send(expiresSeconds),
    ])
    if (!subscriptionState.startsWith('active')) throw new Error(`the subscription is not active:\n${text}`)
    if (!body.includes(`u${this.#presentity}@${domain}`))
      throw new Error(`NOTIFY without the presentity's state:\n${text}`)
  }

  /** RFC 6665 §4.1.2.3: resolves after the last NOTIFY. */
  async unsubscribe(): Promise<void> {
    const [{ subscriptionState, text }] = await Promise.all([this.#nextNotification(), this.#send(0)])
    if (!subscriptionState.startsWith('terminated')) throw new Error(`the subscription is not terminated:\n${text}`)
    this.#client.onNotify(this.#callId, undefined)
  }

  /** Resolves when a NOTIFY shows that version of the presentity's publication. */
  async sees(version: number): Promise<void> {
    const mark = markOf(this.#presentity, version)
    while (!this.body.includes(mark)) await this.#nextNotification()
  }

  async #send(expires: number): Promise<void> {
    const watcher = `sip:u${this.#index}@${domain}`
    const answer = await this.#client.request(
      this.#presentity + this.#index,
      `SUBSCRIBE sip:u${this.#presentity}@${domain}`,
      `Max-Forwards: 70\r\nFrom: <${watcher}>;tag=f${this.#callId}\r\n` +
        `To: <sip:u${this.#presentity}@${domain}>${this.#toTag === '' ? '' : `;tag=${this.#toTag}`}\r\n` +
        `Call-ID: ${this.#callId}\r\nCSeq: ${this.#cseq++} SUBSCRIBE\r\n` +
        `Contact: <sip:u${this.#index}@${this.#client.hostPort(this.#presentity + this.#index)}>\r\n` +
        `Event: presence\r\nAccept: ${this.#accept}\r\nExpires: ${expires}\r\n`,
    )
    expectStatus(answer, 'SUBSCRIBE')
    this.#toTag = tagOf(headerOf(answer.text, 'To'))
  }

  #nextNotification(): Promise<Notification> {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(
        () => reject(new Error(`no NOTIFY for ${this.#callId}; the last body was ${this.body}`)),
        32_000,
      )
      this.#expected = notification => {
        clearTimeout(patience)
        resolve(notification)
      }
    })
  }

  #notified(notification: Notification): void {
    if (notification.cseq <= this.#lastNotifyCseq) throw new Error(`CSeq of NOTIFY did not rise: ${notification.text}`)
    this.#lastNotifyCseq = notification.cseq
    this.body = notification.body
    const expected = this.#expected
    this.#expected = undefined
    expected?.(notification)
  }
}

export class UserAgent {
  readonly #client: LoadClient
  readonly #user: number
  readonly #run: string
  #cseq = 1

  constructor(client: LoadClient, user: number, run: string) {
    this.#client = client
    this.#user = user
    this.#run = run
  }

  /** A first registration, or its refresh; the answer must list the binding (RFC 3261 §10.3 step 8). */
  async register(): Promise<void> {
    const { answer, contact } = await this.#send(expiresSeconds)
    if (!headerOf(answer.text, 'Contact').includes(contact))
      throw new Error(`REGISTER lost the Contact:\n${answer.text}`)
  }

  async unregister(): Promise<void> {
    await this.#send(0)
  }

  async #send(expires: number): Promise<{ answer: Answer; contact: string }> {
    const aor = `sip:u${this.#user}@${domain}`
    const contact = `sip:u${this.#user}@${this.#client.hostPort(this.#user)}`
    const answer = await this.#client.request(
      this.#user,
      `REGISTER sip:${domain}`,
      `Max-Forwards: 70\r\nFrom: <${aor}>;tag=r${this.#user}\r\nTo: <${aor}>\r\nCall-ID: r${this.#user}-${this.#run}\r\n` +
        `CSeq: ${this.#cseq++} REGISTER\r\nContact: <${contact}>\r\nExpires: ${expires}\r\n`,
    )
    expectStatus(answer, 'REGISTER')
    return { answer, contact }
  }
}

function expectStatus(answer: Answer, method: string): void {
  if (answer.status < 200 || answer.status > 299) throw new Error(`${method} was answered\n${answer.text}`)
}

function tagOf(nameAddr: string): string {
  return /;tag=([^;\s]+)/.exec(nameAddr)?.[1] ?? ''
}
