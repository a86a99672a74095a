/** Location objects in PIDF (RFC 4119). */

export const geoprivNamespace = 'urn:ietf:params:xml:ns:pidf:geopriv10'
