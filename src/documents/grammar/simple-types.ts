/** Simple types of documents: what a text or an attribute value may be (XML Schema part 2, second edition). */

import { isXmlSpace } from '../xml/tree.ts'

export interface SimpleType {
  /** What is expected, to follow "is not": `a URI`. */
  readonly says: string
  /** Whether the value may be as written, white space and all. */
  accepts(value: string): boolean
  /** True for `xs:ID`: no two of a document are equal. */
  readonly unique?: true
  /** Values to make examples from, the first being the simplest. */
  readonly examples: readonly string[]
}

/** §3.2.1. */
export const text: SimpleType = { says: 'a text', accepts: () => true, examples: ['text', '', ' a b '] }

/** §3.3.2: collapsed, so that every text is one. */
export const token: SimpleType = { says: 'a token', accepts: () => true, examples: ['token', '', ' a  b '] }

/** §3.2.2. */
export const boolean: SimpleType = collapsed(
  'true or false',
  value => value === 'true' || value === 'false' || value === '1' || value === '0',
  ['true', 'false', '1', '0', ' true '],
)

/** §3.2.17. What a URI reference cannot contain counts as escaped; the rest is RFC 3986 §4.1. */
export const anyUri: SimpleType = collapsed('a URI', isUriReference, [
  'sip:a@example.com',
  'tel:+4930123456',
  'http://example.com/a/b?c#d',
  'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
  'a/b',
  '',
])

/** §3.3.8. */
export const id: SimpleType = {
  ...collapsed('an XML ID', value => ncName.test(value), ['a', 'b-1', '_c', 'd.e']),
  unique: true,
}

/** §3.2.7. */
export const dateTime: SimpleType = collapsed('a dateTime such as 2026-11-20T10:00:00Z', isDateTime, [
  '2026-11-20T10:00:00Z',
  '2026-11-20T10:00:00.25+01:00',
])

/** §3.2.9. */
export const date: SimpleType = collapsed('a date such as 1970-01-31', isDate, ['1970-01-31', '2000-02-29Z'])

/** §3.3.13. */
export const integer: SimpleType = collapsed('a whole number', value => /^[+-]?[0-9]+$/.test(value), ['0', '-60', '+5'])

/** §3.2.3. */
export const decimal: SimpleType = collapsed(
  'a decimal number',
  value => /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$/.test(value),
  ['0', '-1.5', '.5'],
)

/** §3.3.20. */
export const nonNegativeInteger: SimpleType = collapsed(
  'a whole number, 0 or more',
  value => /^(?:\+?[0-9]+|-0+)$/.test(value),
  ['0', '17', '+2'],
)

/** §3.3.25. */
export const positiveInteger: SimpleType = collapsed(
  'a whole number, 1 or more',
  value => /^\+?0*[1-9][0-9]*$/.test(value),
  ['1', '600'],
)

/** A whole number of at most so many digits, without sign; or a word instead. */
export function wholeOf(digits: number, word?: string): SimpleType {
  const pattern = new RegExp(`^[0-9]{1,${digits}}$`)
  const says = `a whole number of at most ${digits} digits${word === undefined ? '' : ` or ${word}`}`
  return collapsed(says, value => value === word || pattern.test(value), ['0', '10'])
}

/** §3.3.3. */
export const language: SimpleType = collapsed(
  'a language tag such as en',
  value => /^[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*$/.test(value),
  ['en', 'de', 'en-GB'],
)

/**
 * The `qvalue` of PIDF (RFC 3863 §4.4) and the data extensions, as their schemas write it: the dot there stands for any
 * character, so that `05` passes as well. Whoever reads a priority does not take that for one.
 */
export const priority: SimpleType = collapsed(
  'a number from 0 to 1 with at most three decimals',
  value => /^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$/.test(value) && /^(?:0(?:.[0-9]{0,3})?|1(?:.0{0,3})?)$/.test(value),
  ['0', '0.5', '1', '1.000', '0.'],
)

/** One of the values exactly, white space around it not allowed: an enumeration of `xs:string`. */
export function oneOf(...values: readonly string[]): SimpleType {
  return { says: listed(values), accepts: value => values.includes(value), examples: values }
}

/** One of the values: an enumeration of `xs:token`, which is collapsed. */
export function tokenOf(...values: readonly string[]): SimpleType {
  return collapsed(listed(values), value => values.includes(value), values)
}

/** Two capital letters, collapsed: ISO 3166 (RFC 5139 §3.1). */
export const countryCode: SimpleType = collapsed(
  'a country code of two capital letters',
  value => /^[A-Z]{2}$/.test(value),
  ['DE', 'US'],
)

/** `a, b or c`. */
export function listed(values: readonly string[]): string {
  const last = values.at(-1) ?? 'nothing'
  return values.length < 2 ? last : `${values.slice(0, -1).join(', ')} or ${last}`
}

function collapsed(says: string, accepts: (value: string) => boolean, examples: readonly string[]): SimpleType {
  return { says, accepts: value => accepts(collapse(value)), examples }
}

/** White space as of facet `collapse` (§4.3.6). */
export function collapse(value: string): string {
  if (value === '') return value
  const first = value.charCodeAt(0)
  const last = value.charCodeAt(value.length - 1)
  if (!isXmlSpace(first) && !isXmlSpace(last) && !/[\t\n\r]| {2}/.test(value)) return value
  return value.replace(/[ \t\n\r]+/g, ' ').replace(/^ | $/g, '')
}

/** Names without a colon (Namespaces in XML 1.0 §3) of the characters of XML 1.0, fifth edition. */
const nameStart =
  'A-Z_a-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u02ff\\u0370-\\u037d\\u037f-\\u1fff\\u200c-\\u200d\\u2070-\\u218f' +
  '\\u2c00-\\u2fef\\u3001-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\ufffd\\u{10000}-\\u{effff}'
const ncName = new RegExp(`^[${nameStart}][-.0-9\\u00b7\\u0300-\\u036f\\u203f\\u2040${nameStart}]*$`, 'u')

function isUriReference(value: string): boolean {
  if (/%(?![0-9A-Fa-f]{2})/.test(value)) return false
  const hash = value.indexOf('#')
  if (hash !== -1 && /[#[\]]/.test(value.slice(hash + 1))) return false
  const reference = hash === -1 ? value : value.slice(0, hash)
  const question = reference.indexOf('?')
  if (question !== -1 && /[[\]]/.test(reference.slice(question + 1))) return false
  let path = question === -1 ? reference : reference.slice(0, question)
  const colon = path.indexOf(':')
  const slash = path.indexOf('/')
  if (colon !== -1 && (slash === -1 || colon < slash)) {
    if (!/^[A-Za-z][A-Za-z0-9+.-]*$/.test(path.slice(0, colon))) return false
    path = path.slice(colon + 1)
  }
  if (!path.startsWith('//')) return isPath(path)
  const end = path.indexOf('/', 2)
  return isAuthority(path.slice(2, end === -1 ? path.length : end)) && (end === -1 || isPath(path.slice(end)))
}

/** Brackets stand nowhere but around an address (RFC 3986 §3.2.2), except where `sip:` has a host in what is a path. */
function isPath(path: string): boolean {
  return !/[[\]]/.test(path) || /^(?:[^@[\]]*@)?\[[0-9A-Fa-f:.]+\](?::[0-9]*)?(?:;[^[\]]*)?$/.test(path)
}

function isAuthority(authority: string): boolean {
  const at = authority.lastIndexOf('@')
  if (at !== -1 && /[[\]@]/.test(authority.slice(0, at))) return false
  const host = authority.slice(at + 1)
  return /^(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[^[\]]+\]|[^[\]:]*)(?::[0-9]*)?$/i.test(host)
}

function isDateTime(value: string): boolean {
  const parts = /^(-?[0-9]{4,}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(.*)$/.exec(value)
  if (parts === null) return false
  const [, day, hours, minutes, seconds, fraction, zone] = parts
  if (!isDate(`${day}${zone}`)) return false
  if (Number(hours) === 24) return minutes === '00' && seconds === '00' && !/[1-9]/.test(fraction ?? '')
  return Number(hours) < 24 && Number(minutes) < 60 && Number(seconds) < 60
}

function isDate(value: string): boolean {
  const parts = /^-?([0-9]{4,})-([0-9]{2})-([0-9]{2})(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?$/.exec(value)
  if (parts === null) return false
  const [year, month, day] = [parts[1]!, Number(parts[2]), Number(parts[3])]
  if (/^0+$/.test(year) || (year.length > 4 && year.startsWith('0'))) return false
  if (month < 1 || month > 12 || day < 1) return false
  const leap = Number(year.slice(-4)) % 4 === 0 && (Number(year.slice(-2)) !== 0 || Number(year.slice(-4)) % 400 === 0)
  return day <= [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]!
}
