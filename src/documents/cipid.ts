/** Contact information for PIDF (RFC 4482): where a person's card, picture or page is. */

export const cipidNamespace = 'urn:ietf:params:xml:ns:pidf:cipid'
