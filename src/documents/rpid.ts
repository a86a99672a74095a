/** Rich presence (RFC 4480): what a person, a service or a device is about, with the time it holds. */

export const rpidNamespace = 'urn:ietf:params:xml:ns:pidf:rpid'
