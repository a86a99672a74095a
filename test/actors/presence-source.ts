/** The Presence Source (AD §5.1): one publication of one user agent, through its four operations (RFC 3903 §4.1). */

import type { HeaderField } from '../../src/protocols/sip/message.ts'
import type { Instant } from '../../src/turn.ts'
import type { Exchange, UserAgent } from './user-agent.ts'

export class PresenceSource {
  readonly agent: UserAgent
  exchange: Exchange | undefined
  /** What stands in every document behind the tuple. */
  besides = ''
  #tuple: string

  constructor(agent: UserAgent) {
    this.agent = agent
    this.#tuple = agent.token(8)
  }

  /** The tag of the last success; undefined before any (RFC 3903 §4.1). */
  get entityTag(): string | undefined {
    const final = this.exchange?.final
    if (final === undefined || final.status >= 300) return this.#keptTag
    return this.exchange!.request.expires === 0 ? undefined : final.header('SIP-ETag')
  }
  #keptTag: string | undefined

  /** Publishes afresh: without a tag. */
  publish(basic: string, note: string | undefined, expires: number, now: Instant): Exchange {
    this.#keptTag = undefined
    return this.#send([['Content-Type', 'application/pidf+xml']], expires, now, this.document(basic, note))
  }

  modify(basic: string, note: string | undefined, expires: number, now: Instant): Exchange {
    const fields: HeaderField[] = [['Content-Type', 'application/pidf+xml'], ...this.#match()]
    return this.#send(fields, expires, now, this.document(basic, note))
  }

  /** Publishes all there is in the form to which changes can be published (RFC 5264 §4.1). */
  publishFull(basic: string, note: string, expires: number, now: Instant): Exchange {
    const document = this.document(basic, note)
      .replace('<presence ', '<p:pidf-full xmlns:p="urn:ietf:params:xml:ns:pidf-diff" ')
      .replace('</presence>', '</p:pidf-full>')
    this.#keptTag = undefined
    return this.#send([['Content-Type', 'application/pidf-diff+xml']], expires, now, document)
  }

  /** Says what is other than before (RFC 5264 §4.2), which was a document with a note. */
  change(basic: string, note: string, expires: number, now: Instant): Exchange {
    const fields: HeaderField[] = [['Content-Type', 'application/pidf-diff+xml'], ...this.#match()]
    const tuple = `*/tuple[@id='${this.#tuple}']`
    const body =
      `<p:pidf-diff xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:ietf:params:xml:ns:pidf-diff" entity="${this.agent.options.aor}">` +
      `<p:replace sel="${tuple}/status/basic/text()">${basic}</p:replace><p:replace sel="${tuple}/note/text()">${note}</p:replace></p:pidf-diff>`
    return this.#send(fields, expires, now, body)
  }

  refresh(expires: number, now: Instant): Exchange {
    return this.#send(this.#match(), expires, now)
  }

  remove(now: Instant): Exchange {
    return this.#send(this.#match(), 0, now)
  }

  document(basic: string, note: string | undefined): string {
    const text = note === undefined ? '' : `<note>${note}</note>`
    return (
      `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${this.agent.options.aor}">` +
      `<tuple id="${this.#tuple}"><status><basic>${basic}</basic></status>${text}</tuple>${this.besides}</presence>`
    )
  }

  #match(): HeaderField[] {
    const tag = this.entityTag
    this.#keptTag = tag
    return tag === undefined ? [] : [['SIP-If-Match', tag]]
  }

  #send(fields: HeaderField[], expires: number, now: Instant, body?: string): Exchange {
    this.exchange = this.agent.send(
      'PUBLISH',
      this.agent.options.aor,
      [['Event', 'presence'], ['Expires', String(expires)], ...fields],
      now,
      body,
    )
    return this.exchange
  }
}
