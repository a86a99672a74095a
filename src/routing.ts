/**
 * Who handles a request: one row for each reference point that a request can cross, read from the top. Rows look only at
 * the message and at what leads to this box; whether a user exists is the entity's to say.
 */

import type { Home } from './entities/sip-ip-core/home.ts'
import { type Recipient, recipientOf } from './entities/sip-ip-core/recipient.ts'
import type { SipRequest } from './protocols/sip/message.ts'
import { isSipUri, type Uri } from './protocols/sip/uri.ts'
import type { ReferencePoint } from './reference-points.ts'
import type { SipEntityName } from './turn.ts'

/** Who asks for credentials: a server answers 401 for itself, a proxy 407 (RFC 3261 §22.2, §22.3); nobody for what anyone may know. */
export type Asks = 'server' | 'proxy' | 'nobody'

export interface Route {
  readonly over: ReferencePoint
  readonly entity: SipEntityName
  readonly asks: Asks
}

interface Row extends Route {
  readonly methods: readonly string[] | 'any'
  readonly to: readonly (Recipient | 'list')[]
  readonly events?: readonly string[]
}

/** Packages by which changes of documents are told (RFC 5875; RFC 6080 as OMA XDM 1 uses it). */
export const changeEvents = ['xcap-diff', 'ua-profile']

/** What can be asked of a list. */
const listMethods = ['SUBSCRIBE', 'OPTIONS']

const routes: readonly Row[] = [
  { over: 'PRS-2', methods: ['REGISTER'], to: ['box', 'user'], entity: 'registrar', asks: 'server' },
  { over: 'PRS-4', methods: listMethods, to: ['list'], entity: 'resource-list-server', asks: 'server' },
  { over: 'PRS-2', methods: ['SUBSCRIBE'], to: ['box', 'user'], events: ['reg'], entity: 'registrar', asks: 'server' },
  // PRS-6, PRS-11 and XDM-2 are one here: what a subscription is about may be with all three XDMSs.
  { over: 'XDM-2', methods: ['SUBSCRIBE'], to: ['box', 'user'], events: changeEvents, entity: 'xdms', asks: 'server' },
  { over: 'PRS-3', methods: ['PUBLISH', 'SUBSCRIBE'], to: ['box', 'user'], entity: 'presence-server', asks: 'server' },
  // It answers OPTIONS for all entities, and 405 or 501 to what nobody here does.
  { over: 'PRS-3', methods: 'any', to: ['box'], entity: 'presence-server', asks: 'nobody' },
  { over: 'PRS-2', methods: 'any', to: ['user', 'instance'], entity: 'proxy', asks: 'proxy' },
  { over: 'IP-1', methods: 'any', to: ['elsewhere'], entity: 'proxy', asks: 'proxy' },
]

const presence: Route = { over: 'PRS-3', entity: 'presence-server', asks: 'server' }
const lists: Route = { over: 'PRS-4', entity: 'resource-list-server', asks: 'server' }

/** Our own Contacts: `gr` names the entity that a dialog is with (RFC 5627, RFC 6665 §4.5.1). */
const contacts: Readonly<Record<string, Route | undefined>> = {
  ps: presence,
  rls: lists,
  // In dialogs that began before the marks were so short, and with back-end subscriptions.
  'presence-server': presence,
  'resource-list-server': lists,
  registrar: { over: 'PRS-2', entity: 'registrar', asks: 'server' },
  xdms: { over: 'XDM-2', entity: 'xdms', asks: 'server' },
  // A notifier elsewhere has no account here; that it knows the dialog is its proof.
  'xdm-client': { over: 'XDM-2', entity: 'xdm-client', asks: 'nobody' },
}

/**
 * The first row that fits; the last ones fit whatever the others leave. `isList` says whether a URI that looks like a user's is
 * a list, which a SUBSCRIBE or OPTIONS is for the Resource List Server then. Throws ParseError.
 */
export function routeOf(request: SipRequest, home: Home, isList: (uri: Uri) => boolean): Route {
  const addressed = recipientOf(request, home)
  const recipient =
    addressed === 'user' && listMethods.includes(request.method) && isList(request.requestUri) ? 'list' : addressed
  if (recipient === 'instance') {
    const uri = request.requestUri
    const contact = isSipUri(uri) ? contacts[uri.params.get('gr') ?? ''] : undefined
    // Likewise whoever notifies an entity that has subscribed.
    if (contact !== undefined) return request.method === 'NOTIFY' ? { ...contact, asks: 'nobody' } : contact
  }
  const event = request.method === 'SUBSCRIBE' ? eventOf(request) : undefined
  return routes.find(
    ({ methods, to, events }) =>
      (methods === 'any' || methods.includes(request.method)) &&
      to.includes(recipient) &&
      (events === undefined || (event !== undefined && events.includes(event))),
  )!
}

function eventOf(request: SipRequest): string | undefined {
  return request.header('Event')?.split(';', 1)[0]?.trim().toLowerCase()
}
