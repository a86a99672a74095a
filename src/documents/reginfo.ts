/** Registration information (RFC 3680 §5) with the GRUUs of each contact (RFC 5628). */

import { escapeAttribute, escapeText } from './xml/escape.ts'
import { defaultXmlLimits, parseXml, type XmlLimits } from './xml/parse.ts'
import { errorAt, readState, readVersion, readWhole, required, requiredOneOf, requireRoot } from './xml/read.ts'
import { attributeValue, childElement, childElements, textContent, trimmedText, type XmlElement } from './xml/tree.ts'

export const reginfoNamespace = 'urn:ietf:params:xml:ns:reginfo'
export const gruuinfoNamespace = 'urn:ietf:params:xml:ns:gruuinfo'
export const reginfoContentType = 'application/reginfo+xml'

/** RFC 3680 §4.7.1. */
export const registrationStates = ['init', 'active', 'terminated'] as const
export type RegistrationState = (typeof registrationStates)[number]

/** RFC 3680 §5.1. */
export const contactEvents = [
  'registered',
  'created',
  'refreshed',
  'shortened',
  'expired',
  'deactivated',
  'probation',
  'unregistered',
  'rejected',
] as const
export type ContactEvent = (typeof contactEvents)[number]

const contactStates = ['active', 'terminated'] as const

export type RegisteredContact = {
  /** The same for the same URI in all documents of a subscription, and different for different ones. */
  readonly id: string
  readonly state: (typeof contactStates)[number]
  readonly event: ContactEvent
  readonly uri: string
  readonly displayName?: string | undefined
  readonly durationRegisteredSeconds?: number | undefined
  /** Until the binding expires; mandatory with `shortened`. */
  readonly expiresSeconds?: number | undefined
  /** Mandatory with `probation`. */
  readonly retryAfterSeconds?: number | undefined
  /** As in the Contact field: `0.8`. */
  readonly q?: string | undefined
  readonly callId?: string | undefined
  readonly cseq?: number | undefined
  /** Contact parameters that RFC 3261 does not define, as written: `+sip.instance` with its quotes; '' without a value. */
  readonly unknownParams?: readonly (readonly [name: string, value: string])[] | undefined
  readonly publicGruu?: string | undefined
  /** The newest temporary GRUU, and the CSeq of the REGISTER that got the oldest one still valid (RFC 5628 §5). */
  readonly temporaryGruu?: { readonly uri: string; readonly firstCseq: number } | undefined
}

export type Registration = {
  readonly aor: string
  /** The same in all documents of a subscription. */
  readonly id: string
  readonly state: RegistrationState
  readonly contacts: readonly RegisteredContact[]
}

export type RegistrationInformation = {
  /** From 0, one more for each document of a subscription; 32 bits. */
  readonly version: number
  readonly state: 'full' | 'partial'
  readonly registrations: readonly Registration[]
}

/** The document as UTF-8, valid by the schemas of RFC 3680 §5.4 and RFC 5628 §9. */
export function formatReginfo(information: RegistrationInformation): Buffer {
  let text = `<?xml version="1.0" encoding="UTF-8"?>\n<reginfo xmlns="${reginfoNamespace}" xmlns:gr="${gruuinfoNamespace}" version="${information.version}" state="${information.state}">\n`
  for (const registration of information.registrations) {
    text += `<registration aor="${escapeAttribute(registration.aor)}" id="${escapeAttribute(registration.id)}" state="${registration.state}">\n`
    for (const contact of registration.contacts) text += formatContact(contact)
    text += '</registration>\n'
  }
  return Buffer.from(`${text}</reginfo>\n`, 'utf8')
}

/** Reads a document; elements and attributes of other namespaces are ignored but the GRUUs. Throws XmlError. */
export function parseReginfo(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): RegistrationInformation {
  const root = parseXml(bytes, { limits, instructions: true })
  requireRoot(root, reginfoNamespace, 'reginfo')
  return {
    version: readVersion(root),
    state: readState(root),
    registrations: childElements(root, reginfoNamespace, 'registration').map(registration => ({
      aor: required(registration, 'aor'),
      id: required(registration, 'id'),
      state: requiredOneOf(registration, 'state', registrationStates),
      contacts: childElements(registration, reginfoNamespace, 'contact').map(readContact),
    })),
  }
}

function formatContact(contact: RegisteredContact): string {
  const { expiresSeconds, durationRegisteredSeconds, retryAfterSeconds, q, callId, cseq } = contact
  let text = `<contact id="${escapeAttribute(contact.id)}" state="${contact.state}" event="${contact.event}"`
  if (durationRegisteredSeconds !== undefined) text += ` duration-registered="${durationRegisteredSeconds}"`
  if (expiresSeconds !== undefined) text += ` expires="${expiresSeconds}"`
  if (retryAfterSeconds !== undefined) text += ` retry-after="${retryAfterSeconds}"`
  if (q !== undefined) text += ` q="${escapeAttribute(q)}"`
  if (callId !== undefined) text += ` callid="${escapeAttribute(callId)}"`
  if (cseq !== undefined) text += ` cseq="${cseq}"`
  text += `>\n<uri>${escapeText(contact.uri)}</uri>\n`
  if (contact.displayName !== undefined) text += `<display-name>${escapeText(contact.displayName)}</display-name>\n`
  for (const [name, value] of contact.unknownParams ?? []) {
    text += `<unknown-param name="${escapeAttribute(name)}">${escapeText(value)}</unknown-param>\n`
  }
  if (contact.publicGruu !== undefined) text += `<gr:pub-gruu uri="${escapeAttribute(contact.publicGruu)}"/>\n`
  if (contact.temporaryGruu !== undefined) {
    const { uri, firstCseq } = contact.temporaryGruu
    text += `<gr:temp-gruu uri="${escapeAttribute(uri)}" first-cseq="${firstCseq}"/>\n`
  }
  return `${text}</contact>\n`
}

function readContact(element: XmlElement): RegisteredContact {
  const uri = childElement(element, reginfoNamespace, 'uri')
  if (uri === undefined) throw errorAt(element, 'contact has no uri')
  const publicGruu = childElement(element, gruuinfoNamespace, 'pub-gruu')
  const temporaryGruu = childElement(element, gruuinfoNamespace, 'temp-gruu')
  return {
    id: required(element, 'id'),
    state: requiredOneOf(element, 'state', contactStates),
    event: requiredOneOf(element, 'event', contactEvents),
    uri: trimmedText(uri)!,
    displayName: trimmedText(childElement(element, reginfoNamespace, 'display-name')),
    durationRegisteredSeconds: readWhole(element, 'duration-registered'),
    expiresSeconds: readWhole(element, 'expires'),
    retryAfterSeconds: readWhole(element, 'retry-after'),
    q: attributeValue(element, 'q'),
    callId: attributeValue(element, 'callid'),
    cseq: readWhole(element, 'cseq'),
    unknownParams: childElements(element, reginfoNamespace, 'unknown-param').map(
      param => [required(param, 'name'), textContent(param)] as const,
    ),
    publicGruu: publicGruu && required(publicGruu, 'uri'),
    temporaryGruu: temporaryGruu && {
      uri: required(temporaryGruu, 'uri'),
      firstCseq: requiredWhole(temporaryGruu, 'first-cseq'),
    },
  }
}

function requiredWhole(element: XmlElement, name: string): number {
  required(element, name)
  return readWhole(element, name)!
}
