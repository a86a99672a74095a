/** Timed presence (RFC 4481): a status that held or will hold, as a child of a tuple. */

export const timedStatusNamespace = 'urn:ietf:params:xml:ns:pidf:timed-status'
