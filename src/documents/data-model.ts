/** Presence data model (RFC 4479): person and device components beside the tuples of a PIDF document. */

export const dataModelNamespace = 'urn:ietf:params:xml:ns:pidf:data-model'
