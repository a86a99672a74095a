/** Partial presence documents, `application/pidf-diff+xml` (RFC 5262): a whole PIDF document, or what changes in one. */

import { dataModelNamespace } from './data-model.ts'
import { pidfNamespace } from './pidf.ts'
import { rpidNamespace } from './rpid.ts'
import { computePatch } from './xml/diff.ts'
import { XmlError } from './xml/errors.ts'
import { defaultXmlLimits, parseXml, type XmlLimits } from './xml/parse.ts'
import { applyPatch, PatchError, type PatchOptions } from './xml/patch.ts'
import { attributeSpan, childElements, type XmlElement } from './xml/tree.ts'
import { declarationText } from './xml/write.ts'

export const pidfDiffContentType = 'application/pidf-diff+xml'
export const pidfDiffNamespace = 'urn:ietf:params:xml:ns:pidf-diff'

/** A body of that type: all there is, as a PIDF document, or the operations that change one. */
export type PidfDiff =
  | { readonly kind: 'full'; readonly document: Uint8Array }
  | { readonly kind: 'diff'; readonly operations: readonly XmlElement[] }

/** Throws PatchError, invalid-diff-format, -character-set or -entity-declaration, for a document that is neither (RFC 5261 §5.1). */
export function readPidfDiff(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): PidfDiff {
  const root = parsed(bytes, limits)
  if (root.namespace !== pidfDiffNamespace || (root.name !== 'pidf-full' && root.name !== 'pidf-diff')) {
    throw new PatchError(
      'invalid-diff-format',
      `the root element is neither pidf-full nor pidf-diff of ${pidfDiffNamespace}`,
    )
  }
  if (root.name === 'pidf-full') return { kind: 'full', document: asPresence(root) }
  const operations = childElements(root)
  for (const operation of operations) {
    if (operation.namespace !== pidfDiffNamespace) {
      throw new PatchError('invalid-patch-directive', `${operation.name} is not an operation`, operation)
    }
  }
  return { kind: 'diff', operations }
}

/**
 * The PIDF document after the operations (RFC 5264 §4.3.2), not checked to be valid. Throws PatchError, and XmlError for a
 * document that cannot be read.
 */
export function patchedPidf(
  document: Uint8Array,
  operations: readonly XmlElement[],
  options: PatchOptions = {},
): Uint8Array {
  return Buffer.from(applyPatch(parseXml(document), operations, { ...options, isId, rootAlso }))
}

/** The examples of RFC 5262 and RFC 5264 call the root `presence`, but the document they show has this one. */
const rootAlso = { namespace: pidfDiffNamespace, name: 'pidf-full' }

const withIds: ReadonlySet<string> = new Set([pidfNamespace, dataModelNamespace, rpidNamespace])

/** The attributes of type ID in PIDF, the data model and RPID (RFC 5262 §3). */
function isId(element: { namespace: string }, attribute: { namespace: string; name: string }): boolean {
  return attribute.name === 'id' && attribute.namespace === '' && withIds.has(element.namespace)
}

function parsed(bytes: Uint8Array, limits: XmlLimits): XmlElement {
  try {
    return parseXml(bytes, { limits, instructions: true })
  } catch (error) {
    if (!(error instanceof XmlError)) throw error
    throw new PatchError(conditionOf(error), error.message)
  }
}

/** RFC 5261 §5.1. Entities would be declared in a document type declaration, and that is no part of a diff document here. */
function conditionOf({ kind, why }: XmlError): PatchError['condition'] {
  if (why === 'undefined entity') return 'invalid-entity-declaration'
  return kind === 'encoding' ? 'invalid-character-set' : 'invalid-diff-format'
}

/** A `pidf-full` as the document it stands for: its root renamed, `version` left out, all else as it was. */
function asPresence(root: XmlElement): Uint8Array {
  const { text, start, contentStart, contentEnd, end } = root.source!
  const prefix = [...root.declarations].find(([, namespace]) => namespace === pidfNamespace)?.[0]
  const free = freePrefix(root.declarations, 'pidf')
  const name = prefix === undefined ? `${free}:presence` : prefix === '' ? 'presence' : `${prefix}:presence`
  const declaration = prefix === undefined ? ` xmlns:${free}="${pidfNamespace}"` : ''
  const nameEnd = start + 1 + (root.prefix === '' ? 0 : root.prefix.length + 1) + root.name.length
  const version = attributeSpan(text, start, contentStart, 'version')
  const attributes =
    version === undefined
      ? text.slice(nameEnd, contentStart)
      : text.slice(nameEnd, text.lastIndexOf('version', version.start)) + text.slice(version.end + 1, contentStart)
  const content = contentStart === end ? '' : `${text.slice(contentStart, contentEnd)}</${name}>`
  return Buffer.from(`${text.slice(0, start)}<${name}${declaration}${attributes}${content}${text.slice(end)}`)
}

/** `prefix`, or one made from it, that is not bound. */
function freePrefix(bound: ReadonlyMap<string, string>, prefix: string): string {
  let free = prefix
  for (let count = 1; bound.has(free); count++) free = `${prefix}${count}`
  return free
}

/** A partial presence document but for its version, which every subscription counts for itself (RFC 5263 §4.4). */
export interface Versioned {
  /** Octets without the digits of the version. */
  readonly length: number
  with(version: number): Uint8Array
}

/** A PIDF document as `pidf-full`. */
export function pidfFull(document: XmlElement): Versioned {
  const { text, start, contentStart, contentEnd, end } = document.source!
  const name = `${freeIn(text, 'p')}:pidf-full`
  const nameEnd = start + 1 + (document.prefix === '' ? 0 : document.prefix.length + 1) + document.name.length
  const declaration = declarationText(name.slice(0, name.indexOf(':')), pidfDiffNamespace)
  const before = `${text.slice(0, start)}<${name}${declaration} version="`
  const content = contentStart === end ? '' : `${text.slice(contentStart, contentEnd)}</${name}>`
  return versioned(before, `"${text.slice(nameEnd, contentStart)}${content}${text.slice(end)}`)
}

/**
 * What makes one PIDF document into another as `pidf-diff`; undefined when that cannot be said by operations. Both are as they
 * were read.
 */
export function pidfDiff(from: XmlElement, to: XmlElement): Versioned | undefined {
  if (around(from) !== around(to)) return undefined
  const patch = computePatch(from, to)
  if (patch === undefined) return undefined
  // Our elements have no prefix where no content wants another default namespace.
  const prefix = patch.namespaces.has('') ? freePrefix(patch.namespaces, 'p') : ''
  const name = prefix === '' ? 'pidf-diff' : `${prefix}:pidf-diff`
  // `entity` and the XML declaration may be left out (§3.2; XML §2.8): whose it is, the subscription tells, and it is in UTF-8.
  let before = `<${name}${declarationText(prefix, pidfDiffNamespace)}`
  for (const [bound, namespace] of patch.namespaces) if (namespace !== '') before += declarationText(bound, namespace)
  return versioned(`${before} version="`, `">${patch.write(prefix)}</${name}>`)
}

/** What stands beside the root element, where operations of ours do not reach, but for the declaration and white space. */
function around({ source }: XmlElement): string {
  const { text, start, end } = source!
  return (text.slice(0, start) + text.slice(end)).replace(/^\ufeff?<\?xml\s[^>]*\?>/, '').trim()
}

function versioned(before: string, after: string): Versioned {
  return {
    length: Buffer.byteLength(before) + Buffer.byteLength(after),
    with: version => Buffer.from(before + version + after),
  }
}

/** `prefix`, or one made from it, that no part of a document declares. */
function freeIn(text: string, prefix: string): string {
  let free = prefix
  for (let count = 1; text.includes(`xmlns:${free}`); count++) free = `${prefix}${count}`
  return free
}
