/** Presence data model (RFC 4479): person and device components beside the tuples of a PIDF document. */

export const dataModelNamespace = 'urn:ietf:params:xml:ns:pidf:data-model'

/** What is equal for equal device ids: a UUID URN may be written in either case (RFC 4122 §3), other URNs may not. */
export function deviceKey(deviceId: string): string {
  return /^urn:uuid:/i.test(deviceId) ? deviceId.toLowerCase() : deviceId
}
