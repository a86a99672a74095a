/** The Presence Server in an EntityWorld, with users, publishers and watchers. */

import { compose } from '../../../../src/entities/presence-server/compose.ts'
import { PresenceServer, type PresenceServerOptions } from '../../../../src/entities/presence-server/presence-server.ts'
import type { DocumentReader } from '../../../../src/entities/xdms/document-reader.ts'
import { documentAt, documentsOf } from '../../../../src/entities/xdms/documents.ts'
import type { HeaderField, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { addressOfRecord, isSipUri } from '../../../../src/protocols/sip/uri.ts'
import type { SettingName } from '../../../../src/settings/table.ts'
import { EntityWorld, type Sent } from '../../protocols/sip-events/entity-world.ts'

export const alice = 'sip:alice@box.example'
export const bob = 'sip:bob@box.example'
export const carol = 'sip:carol@box.example'

/** The documents of the box itself. */
const localDocuments: DocumentReader = {
  at: documentAt,
  of: (db, auid, xui) => [...documentsOf(db, auid, xui)].map(({ document }) => document),
  isHere: () => true,
  rootPath: () => '/xcap-root',
}

export class PresenceWorld extends EntityWorld {
  readonly users: Set<string>
  readonly registered: Set<string>

  constructor(
    settings: Partial<Record<SettingName, string | number | boolean>> = {},
    limits: PresenceServerOptions['notifierLimits'] = {},
  ) {
    const users = new Set([alice, bob, carol])
    const registered = new Set<string>()
    const options: PresenceServerOptions = {
      userOf: uri =>
        isSipUri(uri) && uri.user !== undefined && uri.host === 'box.example' ? addressOfRecord(uri) : undefined,
      isUser: (_db, aor) => users.has(aor),
      userOfXui: xui => (users.has(xui) ? xui : undefined),
      registrationState: (_db, aor) => (registered.has(aor) ? 'active' : 'terminated'),
      documents: localDocuments,
      objects: {
        uriOf: () => 'https://objects.invalid/',
        store: () => [],
        named: () => 'elsewhere',
        fits: () => true,
        toStore: () => undefined,
        troubleOf: () => [],
      },
      address: () => '192.0.2.1:5060',
      notifierLimits: limits,
    }
    super(() => new PresenceServer(options), { 'presence.defaultHandling': 'allow', ...settings })
    this.users = users
    this.registered = registered
  }

  get server(): PresenceServer {
    return this.entity as PresenceServer
  }

  /** `basic` undefined: no body. */
  publish(
    basic: string | undefined,
    options: { tag?: string | undefined; expires?: number; of?: string; from?: string; headers?: HeaderField[] } = {},
  ): SipResponse {
    const { tag, expires, of = alice, from = of, headers = [] } = options
    return this.request('PUBLISH', of, {
      from,
      headers: [
        ['Event', 'presence'],
        ...(basic === undefined ? [] : [['Content-Type', 'application/pidf+xml'] as const]),
        ...(tag === undefined ? [] : [['SIP-If-Match', tag] as const]),
        ...(expires === undefined ? [] : [['Expires', String(expires)] as const]),
        ...headers,
      ],
      ...(basic === undefined ? {} : { body: pidf(basic, of) }),
    })
  }

  /** A SUBSCRIBE outside a dialog. */
  subscribe(
    options: { to?: string; from?: string; event?: string; expires?: number; headers?: HeaderField[] } = {},
  ): SipResponse {
    const { to = alice, from = bob, event = 'presence', expires, headers = [] } = options
    return this.request('SUBSCRIBE', to, {
      from,
      headers: [
        ['Event', event],
        ...(expires === undefined ? [] : [['Expires', String(expires)] as const]),
        ...headers,
      ],
    })
  }

  /** A SUBSCRIBE within the dialog that `accepted` has made. */
  resubscribe(
    accepted: SipResponse,
    options: {
      expires?: number
      cseq?: number
      uri?: string
      headers?: HeaderField[]
      from?: string
      body?: string
    } = {},
  ): SipResponse {
    const { expires, headers = [], cseq = accepted.cseq.number + 1, body } = options
    const contact = accepted.contacts
    if (contact === '*' || contact[0] === undefined) throw new Error('no Contact')
    const uri = options.uri ?? accepted.header('Contact')!.slice(1, -1)
    return this.request('SUBSCRIBE', uri, {
      cseq,
      headers: [
        ['From', options.from ?? accepted.header('From')!],
        ['To', accepted.header('To')!],
        ['Call-ID', accepted.callId],
        ...(headers.some(([name]) => name === 'Event') ? [] : [['Event', 'presence'] as const]),
        ...(expires === undefined ? [] : [['Expires', String(expires)] as const]),
        ...headers,
      ],
      ...(body === undefined ? {} : { body }),
    })
  }

  /** The composed document of a user with nothing published. */
  neutral(of = alice): string {
    return text(compose(of, [], undefined, { now: this.now, maximumOctets: 65_536 }).bytes)
  }
}

export function pidf(basic: string, entity = alice, id = 't1'): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="${entity}"><tuple id="${id}"><status><basic>${basic}</basic></status></tuple></presence>`
}

export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

/** The body of a NOTIFY, for short. */
export function said(sent: Sent | undefined): string {
  const body = text(sent?.request.body ?? new Uint8Array())
  return /<basic>(\w+)/.exec(body)?.[1] ?? body
}
