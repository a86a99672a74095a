/** The Presence Information Data Format (RFC 3863): its names and simple values. */

export const pidfNamespace = 'urn:ietf:params:xml:ns:pidf'
export const pidfContentType = 'application/pidf+xml'

/** The id of the tuple in which the registrar speaks; a published element with this id is given another one. */
export const registrationTupleId = 'registration-state'

/** The `qvalue` of the schema (RFC 3863 §4.4): a decimal from 0 to 1 with at most three decimals. */
export function isPriority(text: string): boolean {
  return /^[ \t\n\r]*(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t\n\r]*$/.test(text)
}

/**
 * True for an XML ID that every peer accepts. Letters beyond ASCII would be right as well, but whoever meets them first
 * may not know that, and an id means nothing.
 */
export function isXmlId(id: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9._-]*$/.test(id)
}
