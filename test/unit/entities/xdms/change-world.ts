/**
 * Subscriptions to changes of documents: the XDMSs with the imaginary usage `tests` of RFC 5875 appendix A beside theirs, users
 * who write by XCAP and subscribe by SIP, and a reader of what they are notified of that is not ours.
 */

import { XMLParser } from 'fast-xml-parser'
import type { Grammar } from '../../../../src/documents/grammar/grammar.ts'
import { text } from '../../../../src/documents/grammar/simple-types.ts'
import { Home } from '../../../../src/entities/sip-ip-core/home.ts'
import type { ApplicationUsage } from '../../../../src/entities/xdms/application-usage.ts'
import { ChangeNotifier } from '../../../../src/entities/xdms/change-subscriptions/change-notifier.ts'
import { managementServers, type XdmsContext } from '../../../../src/entities/xdms/servers.ts'
import { isOperator, userOfXui } from '../../../../src/entities/xdms/user-identifier.ts'
import { Xdms } from '../../../../src/entities/xdms/xdms.ts'
import type { HttpResponse } from '../../../../src/protocols/http/message.ts'
import type { HeaderField, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { parseXcapUri } from '../../../../src/protocols/xcap/document-selector.ts'
import type { SettingName } from '../../../../src/settings/table.ts'
import { SeededRandom } from '../../../simulation/random.ts'
import { EntityWorld, type Sent } from '../../protocols/sip-events/entity-world.ts'

export const joe = 'sip:joe@example.com'
export const john = 'sip:john@example.com'
export const at = 'tests/users/sip:joe@example.com'

const grammar: Grammar = {
  root: 'doc',
  vocabularies: [
    {
      namespace: '',
      elements: {
        doc: {
          content: {
            kind: 'occurs',
            of: { kind: 'any', other: undefined, processing: 'skip' },
            optional: true,
            repeats: true,
          },
          attributes: [{ namespace: '', name: 'id', type: text, required: false }],
        },
      },
    },
  ],
}

const tests: ApplicationUsage = { auid: 'tests', contentType: 'application/xml', defaultNamespace: '', grammar }

/** What one NOTIFY says. */
export interface Told {
  readonly root: string
  /** `sel previous-etag -> new-etag`, with what it contains behind it; of components `sel` and their content, or `-`. */
  readonly said: readonly string[]
}

export class ChangeWorld extends EntityWorld {
  readonly users: Set<string>
  readonly #servers: readonly Xdms[]
  readonly #random = new SeededRandom(7)
  readonly #userOf: (xui: string) => string | undefined

  constructor(settings: Partial<Record<SettingName, string | number | boolean>> = {}) {
    const home = new Home({ domain: 'example.com', listening: [] })
    const users = new Set([joe, john])
    const context: XdmsContext = {
      userOf: xui => userOfXui(xui, home),
      isUser: (_turn, user) => users.has(user),
      listeners: [(change, turn) => (this.entity as ChangeNotifier).documentChanged(change, turn)],
    }
    const servers = [...managementServers(context), new Xdms({ ...context, name: 'tests-xdms', usages: [tests] })]
    super(
      () =>
        new ChangeNotifier({
          ...context,
          servers,
          placeOf: uri => home.placeOf(uri),
          address: () => '192.0.2.1:5060',
          contactParameters: () => '',
          servedBeside: [],
        }),
      { domain: 'example.com', 'xcap.root': '', 'https.listen': '0.0.0.0:443', ...settings },
    )
    this.#servers = servers
    this.users = users
    this.#userOf = context.userOf
  }

  /** One request by XCAP, of the owner of the document unless told otherwise; returns the entity-tag. Throws HttpRefusal. */
  xcap(method: string, target: string, body = '', user?: string): string {
    return String(this.#xcap(method, target, body, user).headers.ETag ?? '').slice(1, -1)
  }

  get(target: string): string {
    return Buffer.from(this.#xcap('GET', target, '', undefined).body!).toString()
  }

  fetch(target: string): { readonly etag: string; readonly body: string } {
    const { headers, body } = this.#xcap('GET', target, '', undefined)
    return { etag: String(headers.ETag).slice(1, -1), body: Buffer.from(body!).toString() }
  }

  #xcap(method: string, target: string, body: string, user: string | undefined): HttpResponse {
    const uri = parseXcapUri(`/${target}`, '')
    const server = this.#servers.find(({ usages }) => usages.has(uri.auid))!
    const last = target.slice(target.lastIndexOf('/') + 1)
    const nodeType = last.startsWith('@') ? 'application/xcap-att+xml' : 'application/xcap-el+xml'
    const contentType = uri.node === undefined ? server.usages.get(uri.auid)!.contentType : nodeType
    const asking = user ?? this.#userOf(uri.xui) ?? ''
    const request = {
      method,
      target: `/${target}`,
      headers: { 'content-type': contentType },
      body: Buffer.from(body),
      source: { address: '192.0.2.7', isSecure: true },
    }
    let response: HttpResponse | undefined
    this.act(turn => {
      const identity = {
        user: asking,
        identities: [asking],
        isOperator: isOperator(asking, turn.settings, this.#userOf),
      }
      const handled = server.handle(request, uri, identity, { ...turn, random: this.#random })
      response = handled.response
      return [...handled.outputs]
    })
    return response!
  }

  put(target: string, body: string, user?: string): string {
    return this.xcap('PUT', target, body, user)
  }

  /** A SUBSCRIBE outside a dialog for these URIs. */
  subscribe(
    uris: readonly string[],
    options: { from?: string; to?: string; event?: string; headers?: HeaderField[] } = {},
  ): SipResponse {
    const { from = joe, to = from, event = 'xcap-diff', headers = [] } = options
    return this.request('SUBSCRIBE', to, { from, ...listBody(uris, [['Event', event], ...headers]) })
  }

  /** A SUBSCRIBE within the dialog, with another list where one is given. */
  refresh(
    accepted: SipResponse,
    uris?: readonly string[],
    event = 'xcap-diff',
    headers: HeaderField[] = [],
  ): SipResponse {
    const inDialog: HeaderField[] = [
      ['From', accepted.header('From')!],
      ['To', accepted.header('To')!],
      ['Call-ID', accepted.callId],
      ['Event', event],
      ...headers,
    ]
    const uri = accepted.header('Contact')!.slice(1, -1)
    const cseq = accepted.cseq.number + 100 + this.sent.length
    return this.request('SUBSCRIBE', uri, {
      cseq,
      ...(uris === undefined ? { headers: inDialog } : listBody(uris, inDialog)),
    })
  }

  /** What the NOTIFYs since the `index`-th say. */
  told(index = 0): Told[] {
    return this.sent.slice(index).map(read)
  }

  last(): Told {
    return read(this.sent.at(-1)!)
  }

  lastBody(): string {
    return Buffer.from(this.sent.at(-1)!.request.body).toString()
  }
}

function listBody(uris: readonly string[], headers: HeaderField[]): { headers: HeaderField[]; body: string } {
  const entries = uris.map(uri => `<entry uri="${uri.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"/>`).join('')
  return {
    headers: [...headers, ['Content-Type', 'application/resource-lists+xml']],
    body: `<?xml version="1.0"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${entries}</list></resource-lists>`,
  }
}

const xml = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  preserveOrder: true,
  trimValues: false,
  removeNSPrefix: true,
  stopNodes: ['*.document', '*.element', '*.attribute'],
})

function read({ request }: Sent): Told {
  if (request.body.length === 0) return { root: '', said: [] }
  if (request.header('Content-Type') !== 'application/xcap-diff+xml') throw new Error('no xcap-diff')
  const nodes = xml.parse(Buffer.from(request.body).toString()) as Record<string, unknown>[]
  const diff = nodes.find(node => 'xcap-diff' in node) as Record<string, unknown>
  const said: string[] = []
  for (const child of diff['xcap-diff'] as Record<string, unknown>[]) {
    const name = Object.keys(child).find(key => key !== ':@' && key !== '#text')
    if (name === undefined) continue
    const { sel, exists, 'previous-etag': previous, 'new-etag': next } = child[':@'] as Record<string, string>
    const content = (child[name] as { '#text'?: unknown }[]).map(node => String(node['#text'] ?? '')).join('')
    if (name === 'document') said.push(`${sel} ${previous ?? ''} -> ${next ?? ''}${content && ` ${content.trim()}`}`)
    else said.push(`${name} ${sel} ${exists === undefined ? content : '-'}`)
  }
  return { root: (diff[':@'] as Record<string, string>)['xcap-root']!, said }
}
