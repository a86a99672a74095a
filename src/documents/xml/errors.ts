/** The one error of everything that reads XML: where the document went wrong, and why. */

/**
 * `malformed`: not well-formed, or not what was expected there. `encoding`: not UTF-8. `bound`: well-formed for all we know,
 * but larger, deeper or farther-reaching than we accept.
 */
export type XmlErrorKind = 'malformed' | 'encoding' | 'bound'

export class XmlError extends Error {
  /** One sentence without the position, fit for a reason phrase. */
  readonly why: string
  /** Counted from 1. */
  readonly line: number
  /** Unicode characters, counted from 1: the character at which the reader stopped. */
  readonly column: number
  /** Octets from the start of the document. */
  readonly offset: number
  readonly kind: XmlErrorKind

  constructor(why: string, line: number, column: number, offset: number, kind: XmlErrorKind = 'malformed') {
    super(`line ${line}, column ${column}: ${why}`)
    this.name = 'XmlError'
    this.why = why
    this.line = line
    this.column = column
    this.offset = offset
    this.kind = kind
  }
}
