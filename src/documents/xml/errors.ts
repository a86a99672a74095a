/** The one error of everything that reads XML: where the document went wrong, and why. */

export class XmlError extends Error {
  /** One sentence without the position, fit for a reason phrase. */
  readonly why: string
  /** Counted from 1. */
  readonly line: number
  /** Unicode characters, counted from 1: the character at which the reader stopped. */
  readonly column: number
  /** Octets from the start of the document. */
  readonly offset: number

  constructor(why: string, line: number, column: number, offset: number) {
    super(`line ${line}, column ${column}: ${why}`)
    this.name = 'XmlError'
    this.why = why
    this.line = line
    this.column = column
    this.offset = offset
  }
}
