/** OMA extensions of PIDF and the data model: prs_pidf_omapres 1.0 and the presence data extensions (pde) 1.0 and 1.1. */

export const omaPresenceNamespace = 'urn:oma:xml:prs:pidf:oma-pres'

/** Attribute `until`, attribute `etag` of an icon, `session-answermode`, `visited`. */
export const omaDataExtensionNamespace = 'urn:oma:xml:pde:pidf:ext'

/** Element `link` with attributes `label` and `priority`. */
export const omaDataExtension11Namespace = 'urn:oma:xml:pde:pidf:ext:1.1'

/** Elements of a tuple. */
export const omaTupleElements = [
  'service-description',
  'willingness',
  'session-participation',
  'registration-state',
  'barring-state',
] as const
