/**
 * Header field names: their long form, their compact form, whether their value is a comma-separated list and whether they
 * may stand only once (RFC 3261 §7.3, §20 and the IANA registry of header fields).
 */

/** What is known of a header field. */
export type HeaderName = {
  /** Index in the table; 0 for a name that is not in it. */
  readonly id: number
  /** The long form, spelled as in its RFC. */
  readonly name: string
  /** What stands before its value in a message: the end of the line before, the name and a colon. */
  readonly line: string
  /** The same with the compact form, if there is one. */
  readonly compactLine: string
  readonly compact: string | undefined
  readonly isList: boolean
  readonly isSingle: boolean
}

const listNames = `Accept, Accept-Contact, Accept-Encoding, Accept-Language, Accept-Resource-Priority, Alert-Info, Allow,
  Allow-Events, Answer-Mode, Call-Info, Contact, Content-Encoding, Content-Language, Error-Info, Feature-Caps,
  Geolocation, History-Info, In-Reply-To, P-Asserted-Identity, P-Associated-URI, P-Media-Authorization, P-Preferred-Identity,
  P-Visited-Network-ID, Path, Permission-Missing, Proxy-Require, Reason, Record-Route, Recv-Info, Reject-Contact,
  Request-Disposition, Require, Resource-Priority, Route, Security-Client, Security-Server, Security-Verify, Service-Route,
  Supported, Trigger-Consent, Unsupported, Via, Warning`

/** Fields that decide what a message means: two of one kind leave that open (RFC 3261 §7.3.1). */
const singleNames = `Call-ID, Content-Disposition, Content-Length, Content-Type, CSeq, Event, Expires, From, Max-Breadth,
  Max-Forwards, Min-Expires, RAck, Refer-To, Replaces, RSeq, SIP-ETag, SIP-If-Match, Subscription-State, Suppress-If-Match,
  Target-Dialog, To`

const otherNames = `Authentication-Info, Authorization, Date, Flow-Timer, Identity, Info-Package, Join, MIME-Version, Min-SE,
  Organization, P-Access-Network-Info, P-Asserted-Service, P-Called-Party-ID, P-Charging-Function-Addresses, P-Charging-Vector,
  P-Early-Media, P-Preferred-Service, P-Profile-Key, P-Served-User, Policy-Contact, Priority, Privacy, Proxy-Authenticate, Proxy-Authentication-Info,
  Proxy-Authorization, Refer-Sub, Referred-By, Remote-Party-ID, Reply-To, Require-Policy, Retry-After, Server, Session-Expires, Subject,
  Timestamp, User-Agent, User-to-User, WWW-Authenticate`

/** RFC 3261 §7.3.3 and the RFCs that registered more. */
const compactForms: Readonly<Record<string, string>> = {
  'Accept-Contact': 'a',
  'Allow-Events': 'u',
  'Call-ID': 'i',
  Contact: 'm',
  'Content-Encoding': 'e',
  'Content-Length': 'l',
  'Content-Type': 'c',
  Event: 'o',
  From: 'f',
  Identity: 'y',
  'Refer-To': 'r',
  'Referred-By': 'b',
  'Reject-Contact': 'j',
  'Request-Disposition': 'd',
  'Session-Expires': 'x',
  Subject: 's',
  Supported: 'k',
  To: 't',
  Via: 'v',
}

const namesById: HeaderName[] = [unknownName('')]
const namesByText = new Map<string, HeaderName>()

for (const [names, isList, isSingle] of [
  [listNames, true, false],
  [singleNames, false, true],
  [otherNames, false, false],
] as const) {
  for (const name of names.split(/,\s*/)) {
    const compact = compactForms[name]
    const compactLine = `\r\n${compact ?? name}: `
    const header = { ...unknownName(name), id: namesById.length, compact, compactLine, isList, isSingle }
    namesById.push(header)
    namesByText.set(name, header)
    namesByText.set(name.toLowerCase(), header)
    if (header.compact !== undefined) namesByText.set(header.compact, header)
  }
}

/** The name given by its long or compact form in any case; id 0 with the name as it is, if it is not in the table. */
export function headerName(text: string): HeaderName {
  return namesByText.get(text) ?? namesByText.get(text.toLowerCase()) ?? unknownName(text)
}

function unknownName(name: string): HeaderName {
  const line = `\r\n${name}: `
  return { id: 0, name, line, compactLine: line, compact: undefined, isList: false, isSingle: false }
}

/** The name with this id. */
export function headerNameOf(id: number): HeaderName {
  return namesById[id]!
}

/** How many ids there are; ids run from 1 to below this. */
export const headerIdCount: number = namesById.length

export const CALL_ID: number = headerName('Call-ID').id
export const CONTACT: number = headerName('Contact').id
export const CONTENT_LENGTH: number = headerName('Content-Length').id
export const CONTENT_TYPE: number = headerName('Content-Type').id
export const CSEQ: number = headerName('CSeq').id
export const EXPIRES: number = headerName('Expires').id
export const FROM: number = headerName('From').id
export const MAX_FORWARDS: number = headerName('Max-Forwards').id
export const TO: number = headerName('To').id
export const VIA: number = headerName('Via').id

// Names as octets, in a table found by length, first and last octet: reading a message looks up each name without making
// a string of it.

const slotIds = new Int16Array(1024)
/** Where the spelling of a slot starts in `spellings`, and how long it is. */
const slotStarts = new Int16Array(1024)
const slotLengths = new Int16Array(1024)
/** The names and compact forms in one row, each octet with bit 5 set, which makes letters lower case. */
const spellings = new Uint8Array(4096)

let spellingsEnd = 0
for (const header of namesById) {
  for (const text of [header.name, header.compact ?? '']) {
    if (text === '') continue
    const start = spellingsEnd
    for (const character of text) spellings[spellingsEnd++] = character.charCodeAt(0) | 32
    let slot = slotOf(spellings, start, spellingsEnd)
    while (slotIds[slot] !== 0) slot = (slot + 1) & 1023
    slotIds[slot] = header.id
    slotStarts[slot] = start
    slotLengths[slot] = text.length
  }
}

/** The id of the name that stands in `bytes`, in any case; 0 if it is not in the table. */
export function headerIdAt(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  for (let slot = slotOf(bytes, start, end); slotIds[slot] !== 0; slot = (slot + 1) & 1023) {
    if (slotLengths[slot] !== length) continue
    const spelling = slotStarts[slot]!
    let at = 0
    // A letter is the same with bit 5 set; of other octets only control characters are, and those never reach here.
    while (at < length && (bytes[start + at]! | 32) === spellings[spelling + at]) at++
    if (at === length) return slotIds[slot]!
  }
  return 0
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  return ((bytes[start]! | 32) * 31 + (bytes[end - 1]! | 32) * 7 + (end - start) * 131) & 1023
}
