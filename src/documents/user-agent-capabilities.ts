/** User agent capabilities in PIDF (RFC 5196): `servcaps` in a tuple, `devcaps` in a device. */

export const capabilitiesNamespace = 'urn:ietf:params:xml:ns:pidf:caps'
