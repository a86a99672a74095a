/** The owner of a list in the load: he keeps his two documents as a client of RCS writes them, and subscribes to them. */

import type { HttpLoadClient } from './http-load.ts'
import { headerOf, type LoadClient, type Notification } from './load.ts'
import { domain } from './server.ts'
import { markOf } from './users.ts'

/** What a watcher of a list takes; `partial`: presence by what has changed (RFC 5263) as well. */
const types = 'multipart/related, application/rlmi+xml, application/pidf+xml'
const partialTypes = `${types}, application/pidf-diff+xml`

export class ListWatcher {
  readonly #client: LoadClient
  readonly #user: number
  readonly #callId: string
  #cseq = 1
  #toTag = ''
  #expected: ((notification: Notification) => void) | undefined

  constructor(client: LoadClient, user: number, run: string) {
    this.#client = client
    this.#user = user
    this.#callId = `l${user}-${run}`
  }

  /** Subscribes, or refreshes the subscription that stands; resolves after the first NOTIFY, which has full state. */
  async subscribe(partial = false): Promise<void> {
    this.#client.onNotify(this.#callId, notification => {
      const expected = this.#expected
      this.#expected = undefined
      expected?.(notification)
    })
    const watcher = `sip:u${this.#user}@${domain}`
    const list = listUri(this.#user)
    const [answer, { body }] = await Promise.all([
      this.#client.request(
        this.#user,
        `SUBSCRIBE ${list}`,
        `Max-Forwards: 70\r\nFrom: <${watcher}>;tag=f${this.#callId}\r\nTo: <${list}>${this.#toTag}\r\nCall-ID: ${this.#callId}\r\n` +
          `CSeq: ${this.#cseq++} SUBSCRIBE\r\nContact: <sip:u${this.#user}@${this.#client.hostPort(this.#user)}>\r\nEvent: presence\r\n` +
          `Supported: eventlist\r\nAccept: ${partial ? partialTypes : types}\r\nExpires: 36000\r\n`,
      ),
      this.#next(),
    ])
    if (answer.status !== 200) throw new Error(`SUBSCRIBE was answered ${answer.text}`)
    this.#toTag = `;tag=${/;tag=(.+)/.exec(headerOf(answer.text, 'To'))?.[1]}`
    if (!body.includes('fullState="true"')) throw new Error(`the first NOTIFY has no full state: ${body.slice(0, 500)}`)
  }

  /** Resolves when a NOTIFY shows that version of a member's publication. */
  async sees(member: number, version: number): Promise<void> {
    for (;;) {
      const { body, text } = await this.#next()
      if (headerOf(text, 'Require') !== 'eventlist') throw new Error('a NOTIFY without Require: eventlist')
      if (body.includes(markOf(member, version))) return
    }
  }

  #next(): Promise<Notification> {
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => reject(new Error(`no NOTIFY for ${this.#callId}`)), 32_000)
      this.#expected = notification => {
        clearTimeout(patience)
        resolve(notification)
      }
    })
  }
}

function listUri(user: number): string {
  return `sip:u${user}@${domain};pres-list=rcs`
}

/** The two documents of one who keeps a list. */
export async function putList(documents: HttpLoadClient, user: number, members: readonly number[]): Promise<void> {
  const home = `users/sip:u${user}@${domain}/index`
  const root = '/xcap-root'
  const entries = members.map(
    member => `<entry uri="sip:u${member}@${domain}"><display-name>User ${member}</display-name></entry>`,
  )
  const lists = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="rcs">${entries.join('')}</list></resource-lists>`
  const selector = `http://${domain}${root}/resource-lists/${home}/~~/resource-lists/list%5b@name=%22rcs%22%5d`
  const services = `<rls-services xmlns="urn:ietf:params:xml:ns:rls-services"><service uri="${listUri(user)}"><resource-list>${selector}</resource-list><packages><package>presence</package></packages></service></rls-services>`
  await put(documents, user, `${root}/resource-lists/${home}`, 'application/resource-lists+xml', lists)
  await put(documents, user, `${root}/rls-services/${home}`, 'application/rls-services+xml', services)
}

async function put(documents: HttpLoadClient, user: number, target: string, type: string, body: string): Promise<void> {
  const answer = await documents.request(user, 'PUT', target, `Content-Type: ${type}\r\n`, body)
  if (answer.status !== 201 && answer.status !== 200) throw new Error(`PUT ${target} was answered ${answer.head}`)
}
