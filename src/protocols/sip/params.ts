/**
 * Parameters, `;name=value`, of header fields (RFC 3261 §25.1 generic-param) and of URIs (§19.1.1). The text is checked
 * once and kept as written; a value is decoded when it is asked for.
 */

import {
  classes,
  consistsOf,
  consistsOfOrEscaped,
  endOfQuotedString,
  percentDecode,
  percentEncode,
  quote,
  skipWhitespace,
  TOKEN,
  URI_PARAMETER,
  unquote,
} from './characters.ts'
import { ParseError } from './errors.ts'

type Syntax = 'header' | 'uri'

/** A list of more is refused: comparing two takes time by the product of their lengths. */
const MAX_PARAMETERS = 64

/**
 * Parameters without whitespace, quotes or escapes, as nearly all are, in either syntax: a regular expression checks them,
 * and a search finds them, several times faster than `read` does.
 */
const simpleInHeader = /^(?:;[-.!%*_+`'~0-9A-Za-z]+(?:=[^\x00- ;,"<>\x7f]*)?)+$/
const simpleInUri = /^(?:;[-_.!~*'()[\]/:&+$0-9A-Za-z]+(?:=[-_.!~*'()[\]/:&+$0-9A-Za-z]*)?)+$/

/** An immutable list of parameters. Names are case-insensitive; order and spelling are kept. */
export class Params implements Iterable<[string, string]> {
  /** No parameters, of a header field value. A value added is quoted when it must be. */
  static readonly none: Params = new Params('', 'header')
  /** No parameters, of a URI. A value added is percent escaped where it must be. */
  static readonly noneInUri: Params = new Params('', 'uri')

  private readonly text: string
  private readonly syntax: Syntax
  private readonly isSimple: boolean

  private constructor(text: string, syntax: Syntax) {
    this.text = text
    this.syntax = syntax
    this.isSimple = text === '' || (syntax === 'uri' ? simpleInUri : simpleInHeader).test(text)
    if (!this.isSimple || text.length > 2 * MAX_PARAMETERS) check(text, syntax)
  }

  /**
   * Parameters of a header field value; `text` is empty or begins with a semicolon.
   * @throws ParseError
   */
  static parse(text: string): Params {
    if (text === '') return Params.none
    return new Params(text, 'header')
  }

  /**
   * Parameters of a URI; `text` is empty or begins with a semicolon.
   * @throws ParseError
   */
  static parseInUri(text: string): Params {
    if (text === '') return Params.noneInUri
    return new Params(text, 'uri')
  }

  /** The value of the first parameter of that name, unquoted or unescaped; '' when it has none. */
  get(name: string): string | undefined {
    if (this.isSimple) return simpleValue(this.text, name)
    for (let at = 0; at < this.text.length; ) {
      at = read(this.text, at, this.syntax)
      if (matches(this.text, name, this.syntax)) return valueIn(this.text, this.syntax)
    }
    return undefined
  }

  /** As `get`, with quotes and escapes kept. */
  getAsWritten(name: string): string | undefined {
    if (this.isSimple) return simpleValue(this.text, name)
    for (let at = 0; at < this.text.length; ) {
      at = read(this.text, at, this.syntax)
      if (matches(this.text, name, this.syntax)) return this.text.slice(valueStart, valueEnd)
    }
    return undefined
  }

  has(name: string): boolean {
    if (this.isSimple) return simpleValue(this.text, name) !== undefined
    for (let at = 0; at < this.text.length; ) {
      at = read(this.text, at, this.syntax)
      if (matches(this.text, name, this.syntax)) return true
    }
    return false
  }

  /** A list in which `name` stands once, with this value: in its place if it was there, else at the end. */
  with(name: string, value = ''): Params {
    const written = write(name, value, this.syntax)
    let text = ''
    let placed = false
    for (let at = 0; at < this.text.length; ) {
      const start = at
      at = read(this.text, at, this.syntax)
      if (!matches(this.text, name, this.syntax)) text += this.text.slice(start, at).trimEnd()
      else if (!placed) {
        text += written
        placed = true
      }
    }
    return new Params(placed ? text : text + written, this.syntax)
  }

  /** A list in which `name` does not stand. */
  without(name: string): Params {
    if (!this.has(name)) return this
    let text = ''
    for (let at = 0; at < this.text.length; ) {
      const start = at
      at = read(this.text, at, this.syntax)
      if (!matches(this.text, name, this.syntax)) text += this.text.slice(start, at).trimEnd()
    }
    return text === '' ? (this.syntax === 'uri' ? Params.noneInUri : Params.none) : new Params(text, this.syntax)
  }

  /** `;a=b;lr`, or nothing. */
  toString(): string {
    return this.text
  }

  /** Names as written with decoded values ('' when there is none), in order. */
  *[Symbol.iterator](): Iterator<[string, string]> {
    for (let at = 0; at < this.text.length; ) {
      at = read(this.text, at, this.syntax)
      const name = this.text.slice(nameStart, nameEnd)
      yield [this.syntax === 'uri' ? percentDecode(name) : name, valueIn(this.text, this.syntax)]
    }
  }
}

/** The value of the first parameter of that name in simple parameters. */
function simpleValue(text: string, name: string): string | undefined {
  let at = 0
  while (at < text.length) {
    const semicolon = text.indexOf(';', at + 1)
    const end = semicolon === -1 ? text.length : semicolon
    const nameEnd = at + 1 + name.length
    if (nameEnd === end && isSameName(text, at + 1, name)) return ''
    if (nameEnd < end && text.charCodeAt(nameEnd) === 61 && isSameName(text, at + 1, name)) {
      return text.slice(nameEnd + 1, end)
    }
    at = end
  }
  return undefined
}

function valueIn(text: string, syntax: Syntax): string {
  if (valueStart === valueEnd) return ''
  const value = text.slice(valueStart, valueEnd)
  return syntax === 'uri' ? percentDecode(value) : unquote(value)
}

// Where the parameter that `read` has just passed stands in its text: a list of parameters makes no garbage to search.
let nameStart = 0
let nameEnd = 0
let valueStart = 0
let valueEnd = 0

function check(text: string, syntax: Syntax): void {
  let count = 0
  for (let at = 0; at < text.length; count++) {
    at = read(text, at, syntax)
    if (count === MAX_PARAMETERS) throw new ParseError('too many parameters', { position: at })
  }
}

/** Reads the parameter whose semicolon stands at `at`, and returns the position after it, at the next semicolon or the end. */
function read(text: string, at: number, syntax: Syntax): number {
  return syntax === 'uri' ? readInUri(text, at) : readInHeader(text, at)
}

function readInHeader(text: string, at: number): number {
  const end = text.length
  at = skipWhitespace(text, at)
  if (text.charCodeAt(at) !== 59) throw new ParseError('parameter without semicolon', { position: at })
  nameStart = at = skipWhitespace(text, at + 1)
  while (at < end && (classes[text.charCodeAt(at)] ?? 0) & TOKEN) at++
  nameEnd = at
  if (nameEnd === nameStart) throw new ParseError('parameter without name', { position: at })
  at = skipWhitespace(text, at)
  if (text.charCodeAt(at) !== 61) {
    valueStart = valueEnd = 0
  } else {
    valueStart = at = skipWhitespace(text, at + 1)
    if (text.charCodeAt(at) === 34) at = endOfQuotedString(text, at)
    else while (at < end && isValueCharacter(text.charCodeAt(at))) at++
    valueEnd = at
    at = skipWhitespace(text, at)
  }
  if (at < end && text.charCodeAt(at) !== 59) throw new ParseError('parameter followed by junk', { position: at })
  return at
}

/** More than token and host: tags and branches in use hold `=`, `/` or `@`, and nothing is ambiguous about them. */
function isValueCharacter(code: number): boolean {
  return code > 32 && code !== 59 && code !== 44 && code !== 34 && code !== 60 && code !== 62 && code !== 127
}

function readInUri(text: string, at: number): number {
  if (text.charCodeAt(at) !== 59) throw new ParseError('URI parameter without semicolon', { position: at })
  const semicolon = text.indexOf(';', at + 1)
  const end = semicolon === -1 ? text.length : semicolon
  let equals = at + 1
  while (equals < end && text.charCodeAt(equals) !== 61) equals++
  nameStart = at + 1
  nameEnd = equals
  valueStart = equals < end ? equals + 1 : 0
  valueEnd = equals < end ? end : 0
  if (nameStart === nameEnd) throw new ParseError('URI parameter without name', { position: at })
  if (!consistsOfOrEscaped(text, URI_PARAMETER, nameStart, nameEnd)) {
    throw new ParseError('character not allowed in the name of a URI parameter', { position: nameStart })
  }
  if (!consistsOfOrEscaped(text, URI_PARAMETER, valueStart, valueEnd)) {
    throw new ParseError('character not allowed in the value of a URI parameter', { position: valueStart })
  }
  return end
}

/** Whether the parameter just read has this name, escapes in a URI undone (RFC 4475 §3.1.1.3). */
function matches(text: string, name: string, syntax: Syntax): boolean {
  if (nameEnd - nameStart === name.length && isSameName(text, nameStart, name)) return true
  if (syntax === 'header') return false
  const written = text.slice(nameStart, nameEnd)
  return written.includes('%') && percentDecode(written).toLowerCase() === name.toLowerCase()
}

/** Whether `name` stands at `start`, without regard to case. */
function isSameName(text: string, start: number, name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    const a = text.charCodeAt(start + at)
    const b = name.charCodeAt(at)
    if (a !== b && ((a ^ b) !== 32 || (a | 32) < 97 || (a | 32) > 122)) return false
  }
  return true
}

function write(name: string, value: string, syntax: Syntax): string {
  if (syntax === 'uri') {
    const escapedName = percentEncode(name, URI_PARAMETER)
    return value === '' ? `;${escapedName}` : `;${escapedName}=${percentEncode(value, URI_PARAMETER)}`
  }
  if (value === '') return `;${name}`
  return `;${name}=${isBare(value) ? value : quote(value)}`
}

/** A token, or a host: only brackets and colons more. */
function isBare(value: string): boolean {
  return consistsOf(value, TOKEN) || /^[\w.:[\]-]+$/.test(value)
}
