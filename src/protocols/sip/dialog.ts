/**
 * Dialogs (RFC 3261 §12) as plain records that may be stored: made from the request and the response that establish one,
 * moved on by requests and responses within it, and turned into requests to the peer.
 */

import { badRequest, callOrTransactionDoesNotExist, ParseError, serverInternalError } from './errors.ts'
import { type HeaderField, SipRequest, type SipResponse } from './message.ts'
import { formatNameAddr, parseNameAddr } from './name-addr.ts'
import { Params } from './params.ts'
import { formatUri, isSipUri, type SipUri } from './uri.ts'

/** The state of one dialog (§12): nothing but strings, numbers and booleans. */
export type Dialog = {
  readonly callId: string
  readonly localTag: string
  /** '' for a peer of RFC 2543 that sends none. */
  readonly remoteTag: string
  /** From and To of our requests, as they stood in the first one, without the tag: a name-addr or addr-spec. */
  readonly localUri: string
  readonly remoteUri: string
  /** CSeq number of our last request; undefined before the first one. */
  readonly localSequence: number | undefined
  /** CSeq number of the peer's last request; undefined before the first one. */
  readonly remoteSequence: number | undefined
  /** URI to which our requests go. */
  readonly remoteTarget: string
  /** name-addr values, nearest hop first. */
  readonly routeSet: readonly string[]
  /** Whether everything must travel by TLS. */
  readonly secure: boolean
}

/** What tells dialogs apart (§12): Call-ID, local and remote tag. */
export type DialogId = { readonly callId: string; readonly localTag: string; readonly remoteTag: string }

/** The dialog a received request belongs to; undefined outside of a dialog, that is without a To tag (§12.2.2). */
export function dialogIdOf(request: SipRequest): DialogId | undefined {
  const { toTag } = request
  return toTag === undefined ? undefined : { callId: request.callId, localTag: toTag, remoteTag: request.fromTag ?? '' }
}

/**
 * The dialog that the answer to `request` establishes at the UAS (§12.1.1); `localTag` is the To tag of that answer, which
 * must also carry `recordRoutes(request)` and a Contact.
 * @throws SipRefusal 400 when the request has not the one Contact with a SIP or SIPS URI that it needs
 */
export function dialogAsServer(request: SipRequest, localTag: string): Dialog {
  return {
    callId: request.callId,
    localTag,
    remoteTag: request.fromTag ?? '',
    localUri: withoutTag(request.header('To') ?? ''),
    remoteUri: withoutTag(request.header('From') ?? ''),
    localSequence: undefined,
    remoteSequence: request.cseq.number,
    remoteTarget: targetOf(request),
    // "the list of URIs in the Record-Route header field from the request, taken in order"
    routeSet: request.headers('Record-Route').map(withoutParameters),
    secure: request.source?.transport === 'tls' && request.uri.toLowerCase().startsWith('sips:'),
  }
}

/** What the establishing answer must repeat: "the UAS MUST copy all Record-Route header field values" (§12.1.1). */
export function recordRoutes(request: SipRequest): HeaderField[] {
  return request.headers('Record-Route').map(value => ['Record-Route', value])
}

/**
 * The dialog that `response` to our `request` establishes at the UAC (§12.1.2).
 * @throws ParseError when the response has no Contact to send requests to
 */
export function dialogAsClient(request: SipRequest, response: SipResponse): Dialog {
  const [contact] = contactsOf(response)
  if (contact === undefined) throw new ParseError('Contact missing in a response that establishes a dialog')
  return {
    callId: request.callId,
    localTag: request.fromTag ?? '',
    remoteTag: response.toTag ?? '',
    localUri: withoutTag(request.header('From') ?? ''),
    remoteUri: withoutTag(request.header('To') ?? ''),
    localSequence: request.cseq.number,
    remoteSequence: undefined,
    remoteTarget: contact,
    // "from the response, taken in reverse order"
    routeSet: response.headers('Record-Route').map(withoutParameters).reverse(),
    secure: response.topVia.transport === 'TLS' && request.uri.toLowerCase().startsWith('sips:'),
  }
}

/**
 * The dialog after a request of the peer within it (§12.2.2). `refreshesTarget`: the method may change the remote target, as
 * INVITE, SUBSCRIBE and NOTIFY do.
 * @throws SipRefusal 481 when the request belongs to another dialog; 500 when its CSeq is lower than one seen before, "out
 * of order and MUST be rejected"; 400 when its Contact is no SIP URI
 */
export function receivedInDialog(dialog: Dialog, request: SipRequest, refreshesTarget: boolean): Dialog {
  const id = dialogIdOf(request)
  if (id?.callId !== dialog.callId || id.localTag !== dialog.localTag || id.remoteTag !== dialog.remoteTag) {
    throw callOrTransactionDoesNotExist()
  }
  const { number } = request.cseq
  if (dialog.remoteSequence !== undefined && number < dialog.remoteSequence) throw serverInternalError()
  const hasTarget = refreshesTarget && request.hasHeader('Contact')
  return { ...dialog, remoteSequence: number, remoteTarget: hasTarget ? targetOf(request) : dialog.remoteTarget }
}

/**
 * Whether a request of the peer repeats the CSeq of its last one: a copy that came another way or after its transaction was
 * forgotten. It is not out of order (§12.2.2), and must change nothing twice.
 */
export function isRepeated(dialog: Dialog, request: SipRequest): boolean {
  return request.cseq.number === dialog.remoteSequence
}

/** The dialog after a 2xx to a target refresh request of ours (§12.2.1.2). */
export function answeredInDialog(dialog: Dialog, response: SipResponse): Dialog {
  const [contact] = contactsOf(response)
  return contact === undefined ? dialog : { ...dialog, remoteTarget: contact }
}

/**
 * Our next request within the dialog (§12.2.1.1), with Request-URI, Route, From, To, Call-ID, CSeq and Max-Forwards; and the
 * dialog after it, whose local sequence number has grown: by one, or to `atLeast`. `headers` come behind these.
 */
export function requestInDialog(
  dialog: Dialog,
  method: string,
  headers: readonly HeaderField[] = [],
  body?: Uint8Array,
  atLeast = 1,
): { request: SipRequest; dialog: Dialog } {
  const sequence = Math.max((dialog.localSequence ?? 0) + 1, atLeast)
  const { uri, routes } = routing(dialog)
  const fields: HeaderField[] = []
  for (const route of routes) fields.push(['Route', route])
  fields.push(
    ['Max-Forwards', '70'],
    ['From', withTag(dialog.localUri, dialog.localTag)],
    ['To', withTag(dialog.remoteUri, dialog.remoteTag)],
    ['Call-ID', dialog.callId],
    ['CSeq', `${sequence} ${method}`],
    ...headers,
  )
  const request = new SipRequest(method, uri, fields, body)
  return { request, dialog: { ...dialog, localSequence: sequence } }
}

/**
 * Request-URI and Route (§12.2.1.1). To a strict router, one without `lr`, the request is addressed itself, and the remote
 * target goes last in Route: "METHOD sip:proxy1; Route: <sip:proxy2>,<sip:proxy3;lr>,<sip:proxy4>,<sip:user@remoteua>".
 */
function routing(dialog: Dialog): { uri: string; routes: readonly string[] } {
  const { remoteTarget, routeSet } = dialog
  const [first] = routeSet
  if (first === undefined) return { uri: remoteTarget, routes: routeSet }
  const { uri } = parseNameAddr(first)
  if (!isSipUri(uri) || uri.params.has('lr')) return { uri: remoteTarget, routes: routeSet }
  return { uri: formatUri(asRequestUri(uri)), routes: [...routeSet.slice(1), `<${remoteTarget}>`] }
}

/** "stripping any parameters that are not allowed in a Request-URI": method, and header fields (§19.1.1, table 1). */
function asRequestUri(uri: SipUri): SipUri {
  return { ...uri, params: uri.params.without('method'), headers: '' }
}

function targetOf(request: SipRequest): string {
  const contacts = contactsOf(request)
  if (contacts.length !== 1) throw badRequest('One Contact Is Needed')
  return contacts[0]!
}

/** URIs of Contact that can be a remote target: "MUST be a SIP or SIPS URI" (§12.1.1), without what no Request-URI may have. */
function contactsOf(message: SipRequest | SipResponse): string[] {
  const { contacts } = message
  if (contacts === '*') return []
  const targets: string[] = []
  for (const { uri } of contacts) if (isSipUri(uri)) targets.push(formatUri(asRequestUri(uri)))
  return targets
}

/** A From or To value without its tag: "mandatory reflection of the original To and From URI" (§12.2.1.1). */
function withoutTag(value: string): string {
  const { displayName, uri, params } = parseNameAddr(value)
  return formatNameAddr({ displayName, uri, params: params.without('tag') })
}

function withTag(value: string, tag: string): string {
  return tag === '' ? value : `${value};tag=${tag}`
}

/** A route as it belongs into a route set: the URI with all its parameters, without those of the header field. */
function withoutParameters(value: string): string {
  const { displayName, uri, params } = parseNameAddr(value)
  return params.toString() === '' ? value : formatNameAddr({ displayName, uri, params: Params.none })
}
