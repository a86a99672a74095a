/**
 * Edits of a stored document, to the octet: what a request does not name stays as it was (RFC 4825 §8.2.3, §8.2.4, §8.4).
 * Each edit is tried on a copy, which is read again, so that what is kept is well-formed and the selector selects in it what
 * the request says it should.
 */

import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml, type XmlLimits } from '../../documents/xml/parse.ts'
import { childElements, isXmlSpace, trimXml, type XmlElement } from '../../documents/xml/tree.ts'
import { contentTooLarge, notFound } from '../http/errors.ts'
import {
  cannotDelete,
  cannotInsert,
  localConstraintFailure,
  noParent,
  notUtf8,
  notWellFormed,
  notXmlAttributeValue,
  notXmlFragment,
  type XcapConflict,
} from './errors.ts'
import type { NodeSelector, Step } from './node-selector.ts'
import { attributeOf, attributePlace, follow, isNamed, qualifiedName, selectElement, selectedBy } from './select.ts'

/** A document after an edit: its octets and what they mean. */
export interface Edited {
  readonly bytes: Buffer
  readonly root: XmlElement
  /** Whether the resource was created, not replaced. */
  readonly isNew: boolean
}

/** Everything an edit has to know. */
export interface EditContext {
  readonly limits: XmlLimits
  /** The URI of a place in the document, given the number of steps of the selector that lead there; 0 is the document. */
  ancestor(steps: number): string
}

type Terminal = Extract<NodeSelector['terminal'], { kind: 'attribute' }>

/** A whole document as a body. Throws 409 not-well-formed, not-utf-8 or a local limit, and 413. */
export function readDocument(body: Uint8Array, limits: XmlLimits): XmlElement {
  try {
    return parseXml(body, { limits, instructions: true })
  } catch (error) {
    throw conflictOf(error, limits, notWellFormed)
  }
}

/**
 * Inserts or replaces the element that `steps` select. Throws 409: no-parent, not-xml-frag, not-utf-8, cannot-insert, or a
 * local limit.
 */
export function putElement(root: XmlElement, steps: readonly Step[], body: Uint8Array, context: EditContext): Edited {
  const { text } = root.source!
  const last = steps.at(-1)!
  const parent = parentOf(root, steps, context)
  const siblings = parent === undefined ? [root] : childElements(parent)
  const target = selectedBy(last, siblings)
  const fragment = fragmentText(body)
  if (target.length > 1)
    throw cannotInsert(`The selector selects ${target.length} elements; a position or an attribute would tell which`)
  let start: number
  let edited: string
  if (target.length === 1) {
    const { source } = target[0]!
    start = source!.start
    edited = text.slice(0, start) + fragment + text.slice(source!.end)
  } else {
    if (parent === undefined) throw cannotInsert(`The root element is ${qualifiedName(root)}, and there can be but one`)
    const source = parent.source!
    if (source.contentStart === source.end) {
      // `<a/>` is opened.
      requireFirst(last)
      const opened = `${text.slice(0, source.end - 2)}>`
      start = opened.length
      edited = `${opened}${fragment}</${qualifiedName(parent)}>${text.slice(source.end)}`
    } else {
      start = insertionPoint(parent, siblings, last)
      edited = text.slice(0, start) + fragment + text.slice(start)
    }
  }
  const bytes = Buffer.from(edited, 'utf8')
  const result = readFragment(bytes, edited, start, fragment, context.limits)
  // The fragment must be one element and no more: what begins where it begins ends where it ends.
  const placed = elementAt(result, start)
  if (placed === undefined || placed.source!.end !== start + fragment.length)
    throw notXmlFragment('The body is not one element, whole and alone')
  if (selectElement(result, steps) !== placed) throw cannotInsert(mismatch(last, placed))
  return { bytes, root: result, isNew: target.length === 0 }
}

/**
 * Sets the attribute that the selector selects; `body` is the value in its quotes. Throws 409: no-parent, not-xml-att-value,
 * not-utf-8, cannot-insert, or a local limit.
 */
export function putAttribute(
  root: XmlElement,
  steps: readonly Step[],
  terminal: Terminal,
  body: Uint8Array,
  context: EditContext,
): Edited {
  const { text } = root.source!
  const { element, rest } = follow(root, steps)
  if (rest > 0 || element === undefined) throw missingParent(steps.length - rest, context)
  const written = attributeBody(body)
  const place = attributePlace(element, terminal)
  let edited: string
  if (place !== undefined) edited = text.slice(0, place.start - 1) + written + text.slice(place.end + 1)
  else {
    const at = endOfAttributes(text, element.source!.contentStart)
    edited = `${text.slice(0, at)} ${prefixed(element, terminal)}=${written}${text.slice(at)}`
  }
  const bytes = Buffer.from(edited, 'utf8')
  let result: XmlElement
  try {
    result = parseXml(bytes, { limits: context.limits, instructions: true })
  } catch (error) {
    throw conflictOf(error, context.limits, () => notXmlAttributeValue('The body is not an attribute value in quotes'))
  }
  const placed = selectElement(result, steps)
  const isSame = placed !== undefined && placed.source!.start === element.source!.start
  if (!isSame || attributePlace(placed, terminal) === undefined)
    throw cannotInsert('With this value the selector would no longer select the attribute')
  return { bytes, root: result, isNew: place === undefined }
}

/** Removes the element or attribute that the selector selects. Throws 404, and 409 cannot-delete. */
export function deleteNode(root: XmlElement, { steps, terminal }: NodeSelector, context: EditContext): Edited {
  const { text } = root.source!
  const element = selectElement(root, steps)
  if (element === undefined) throw notFound('The selector selects nothing, or more than one element')
  let start: number
  let end: number
  if (terminal === undefined) {
    if (element === root) throw cannotDelete('A document has a root element; delete the document instead')
    start = element.source!.start
    end = element.source!.end
  } else {
    const place = terminal.kind === 'attribute' ? attributePlace(element, terminal) : undefined
    if (place === undefined) throw notFound('The element has no such attribute')
    start = startOfAttribute(text, place.start - 1)
    end = place.end + 1
  }
  const bytes = Buffer.from(text.slice(0, start) + text.slice(end), 'utf8')
  const result = parseXml(bytes, { limits: context.limits, instructions: true })
  const selected = selectElement(result, steps)
  if (terminal === undefined ? selected !== undefined : selected && attributeOf(selected, terminal as Terminal))
    throw cannotDelete('The selector would select the next one; an attribute that is its own would tell them apart')
  return { bytes, root: result, isNew: false }
}

/** RFC 4825 §8.2.1; undefined is the root node of the document. */
function parentOf(root: XmlElement, steps: readonly Step[], context: EditContext): XmlElement | undefined {
  const { element, rest } = follow(root, steps.slice(0, -1))
  if (rest > 0) throw missingParent(steps.length - 1 - rest, context)
  return element
}

function missingParent(reached: number, context: EditContext): XcapConflict {
  return noParent(context.ancestor(reached), `Step ${reached + 1} of the selector selects nothing, or several elements`)
}

/** COMPAT(xcap): white space around the element, and the text declaration that serializers write, are not stored. */
function fragmentText(body: Uint8Array): string {
  const text = decoded(body)
  const declaration = /^\ufeff?\s*<\?xml\s[^>]*\?>/.exec(text)
  const fragment = trimXml(declaration === null ? text : text.slice(declaration[0].length))
  if (!fragment.startsWith('<') || fragment.startsWith('<!') || fragment.startsWith('<?'))
    throw notXmlFragment('The body does not begin with an element')
  return fragment
}

/** The value with the quotes it is written in. */
function attributeBody(body: Uint8Array): string {
  const written = trimXml(decoded(body))
  const quote = written[0]
  const isQuoted =
    (quote === '"' || quote === "'") && written.length >= 2 && written.indexOf(quote, 1) === written.length - 1
  if (!isQuoted || written.includes('<')) throw notXmlAttributeValue('The body is not an attribute value in quotes')
  return written
}

function decoded(body: Uint8Array): string {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')
  if (text.includes('\ufffd') && Buffer.compare(Buffer.from(text, 'utf8'), body) !== 0)
    throw notUtf8('The body is not UTF-8')
  return text
}

/**
 * Where a new element goes (RFC 4825 §8.2.3): behind the last of its name, or as the last of all; with a position so that it
 * comes to be the n-th, and as early as that allows.
 */
function insertionPoint(parent: XmlElement, siblings: readonly XmlElement[], { element, position }: Step): number {
  const same = element === undefined ? siblings : siblings.filter(sibling => isNamed(sibling, element))
  if (same.length === 0 || (element === undefined && position === undefined)) {
    if (position !== undefined && position !== 1) throw tooFar(position, same.length)
    return parent.source!.contentEnd
  }
  if (position === undefined) return same.at(-1)!.source!.end
  if (position === 1) return same[0]!.source!.start
  const before = same[position - 2]
  if (before === undefined) throw tooFar(position, same.length)
  return before.source!.end
}

function requireFirst({ position }: Step): void {
  if (position !== undefined && position !== 1) throw tooFar(position, 0)
}

function tooFar(position: number, present: number): XcapConflict {
  return cannotInsert(`It cannot be number ${position}: there are ${present}`)
}

/** Reads the edited document; what is wrong with it is wrong with the fragment, and told by its place there. */
function readFragment(bytes: Buffer, text: string, start: number, fragment: string, limits: XmlLimits): XmlElement {
  try {
    return parseXml(bytes, { limits, instructions: true })
  } catch (error) {
    throw conflictOf(error, limits, (_, { why, offset }) => {
      const at = offset - Buffer.byteLength(text.slice(0, start), 'utf8')
      const octets = Buffer.from(fragment, 'utf8')
      if (at < 0 || at > octets.length) return notXmlFragment('The body is not one element, whole and alone')
      const before = octets.subarray(0, at).toString('utf8')
      const line = before.split('\n').length
      return notXmlFragment(`line ${line}, column ${before.length - before.lastIndexOf('\n')}: ${why}`)
    })
  }
}

/** The element whose start tag begins at an index. */
function elementAt(root: XmlElement, start: number): XmlElement | undefined {
  let context = root
  for (;;) {
    if (context.source!.start === start) return context
    const inner = context.children.find(
      (node): node is XmlElement => node.kind === 'element' && node.source!.start <= start && start < node.source!.end,
    )
    if (inner === undefined) return undefined
    context = inner
  }
}

/** Why an element that was put is not the one its selector selects. */
function mismatch({ element, attribute }: Step, placed: XmlElement): string {
  if (element !== undefined && !isNamed(placed, element))
    return `The selector names ${element.name} of namespace '${element.namespace}', the body is ${placed.name} of '${placed.namespace}'`
  const value = attribute && attributeOf(placed, attribute)?.value
  if (attribute !== undefined && value !== attribute.value)
    return `The selector asks for ${attribute.name}="${attribute.value}", the body has ${value === undefined ? 'none' : `"${value}"`}`
  return 'The selector would select another element, or several'
}

/** Behind the last attribute of a start tag, whose `>` or `/>` ends at `contentStart`. */
function endOfAttributes(text: string, contentStart: number): number {
  let at = contentStart - 1
  if (text[at - 1] === '/') at--
  while (isXmlSpace(text.charCodeAt(at - 1))) at--
  return at
}

/** The white space before an attribute, given where the opening quote of its value stands. */
function startOfAttribute(text: string, quote: number): number {
  let at = text.lastIndexOf('=', quote)
  while (isXmlSpace(text.charCodeAt(at - 1))) at--
  while (!isXmlSpace(text.charCodeAt(at - 1))) at--
  while (isXmlSpace(text.charCodeAt(at - 1))) at--
  return at
}

/** The name of a new attribute as the document's own prefixes write it; a client cannot bind new ones (RFC 4825 §7.10). */
function prefixed(element: XmlElement, { prefix, namespace, name }: Terminal): string {
  if (namespace === '') return name
  if (namespace === 'http://www.w3.org/XML/1998/namespace') return `xml:${name}`
  if (element.scope.lookup(prefix) === namespace) return `${prefix}:${name}`
  for (const [bound, its] of element.scope.bindings())
    if (its === namespace && bound !== '' && element.scope.lookup(bound) === namespace) return `${bound}:${name}`
  throw cannotInsert(`No prefix is bound to ${namespace} at the element`)
}

/** What the reader's refusal means to the client. */
function conflictOf(
  error: unknown,
  limits: XmlLimits,
  malformed: (phrase: string, error: XmlError) => XcapConflict,
): unknown {
  if (!(error instanceof XmlError)) return error
  if (error.kind === 'encoding') return notUtf8(error.message)
  if (error.kind === 'malformed') return malformed(error.message, error)
  return error.offset === limits.bytes && error.why.endsWith('octets')
    ? contentTooLarge(limits.bytes)
    : localConstraintFailure(error.message, {
        description: 'Documents of this server are bounded, and have no document type declaration',
      })
}
