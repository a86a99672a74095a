/** Changes of XCAP resources (RFC 5874): which documents there are, which have changed and how, and what components say. */

import { escapeAttribute, escapeText } from './xml/escape.ts'
import { attributeValue, childElements, type NamespaceScope, trimXml, type XmlElement } from './xml/tree.ts'
import { declarationText, xmlDeclaration } from './xml/write.ts'

export const xcapDiffNamespace = 'urn:ietf:params:xml:ns:xcap-diff'
export const xcapDiffType = 'application/xcap-diff+xml'

/** A document as it is now, relative to what has been told of it (§3 figure 1). `sel` is relative to the XCAP root. */
export interface DocumentDifference {
  readonly kind: 'document'
  readonly sel: string
  /** Undefined of a document that has not been told of, or is new. */
  readonly previousEtag: string | undefined
  /** Undefined of a document that is gone. */
  readonly newEtag: string | undefined
  /** What makes the previous version into the new one; without it that is to be fetched. */
  readonly patch?: PatchText | undefined
}

/** Patch operations (RFC 5261), ready to be written. */
export interface PatchText {
  /** The bindings that must be in force where they stand. */
  readonly namespaces: ReadonlyMap<string, string>
  /** The operations, with this prefix before their names. */
  write(prefix: string): string
}

/** An element or attribute as it is now; `content` undefined: it is not there, or no longer. */
export type ComponentState =
  | {
      readonly kind: 'element'
      readonly sel: string
      /** As it stands in its document, with the bindings in force there; `too-large` to be told. */
      readonly content: { readonly text: string; readonly scope: NamespaceScope } | 'too-large' | undefined
    }
  | { readonly kind: 'attribute'; readonly sel: string; readonly content: string | undefined }

export type XcapDifference = DocumentDifference | ComponentState

/** What is told of a document: without `newEtag` it has been removed; with it, it exists in that version. */
export type ToldDocument = Pick<DocumentDifference, 'sel' | 'newEtag'>

/** The documents that another server tells of, in its order (§3); undefined when it is no XCAP diff document. */
export function readToldDocuments(root: XmlElement): ToldDocument[] | undefined {
  if (root.name !== 'xcap-diff' || root.namespace !== xcapDiffNamespace) return undefined
  return childElements(root, xcapDiffNamespace, 'document').flatMap(element => {
    const sel = attributeValue(element, 'sel')
    // COMPAT(xcap): entity-tags are also seen with the quotes they have in HTTP.
    const newEtag = attributeValue(element, 'new-etag')
      ?.trim()
      .replace(/^"(.*)"$/, '$1')
    return sel === undefined ? [] : [{ sel: trimXml(sel).replace(/^\//, ''), newEtag }]
  })
}

/** The document as UTF-8, valid by the schema of §4. `root` is the absolute URI of the XCAP root, with a slash at its end. */
export function formatXcapDiff(root: string, differences: readonly XcapDifference[]): Buffer {
  const prefix = freePrefix(differences)
  let text = `${xmlDeclaration}<${prefix}:xcap-diff xmlns:${prefix}="${xcapDiffNamespace}" xcap-root="${escapeAttribute(root)}"`
  if (differences.length === 0) return Buffer.from(`${text}/>\n`, 'utf8')
  text += '>\n'
  for (const difference of differences) text += `${written(difference, prefix)}\n`
  return Buffer.from(`${text}</${prefix}:xcap-diff>\n`, 'utf8')
}

function written(difference: XcapDifference, prefix: string): string {
  const { kind } = difference
  const name = `${prefix}:${kind}`
  // Between double quotes apostrophes may stay, and selectors have many.
  const start = `<${name} sel="${escapeAttribute(difference.sel).replaceAll('&#39;', "'")}"`
  if (kind === 'document') {
    const { previousEtag, newEtag, patch } = difference
    const etags = attributeText('previous-etag', previousEtag) + attributeText('new-etag', newEtag)
    if (patch === undefined) return `${start}${etags}/>`
    return `${start}${etags}${declarations(patch.namespaces)}>${patch.write(prefix)}</${name}>`
  }
  const { content } = difference
  if (content === undefined) return `${start} exists="0"/>`
  if (content === 'too-large') return `${start}/>`
  if (typeof content === 'string') return `${start}>${escapeText(content)}</${name}>`
  return `${start}${declarations(content.scope.bindings())}>${content.text}</${name}>`
}

function attributeText(name: string, value: string | undefined): string {
  return value === undefined ? '' : ` ${name}="${escapeAttribute(value)}"`
}

function declarations(bindings: Iterable<readonly [prefix: string, namespace: string]>): string {
  let text = ''
  for (const [prefix, namespace] of bindings) {
    // Nothing is bound to no namespace but the default one, which is so already.
    if (prefix !== 'xml' && namespace !== '') text += declarationText(prefix, namespace)
  }
  return text
}

/** A prefix that means nothing else where our elements stand. */
function freePrefix(differences: readonly XcapDifference[]): string {
  const taken = new Set<string>()
  for (const difference of differences) {
    if (difference.kind === 'document') for (const [prefix] of difference.patch?.namespaces ?? []) taken.add(prefix)
    else if (typeof difference.content === 'object')
      for (const [prefix] of difference.content.scope.bindings()) taken.add(prefix)
  }
  let prefix = 'd'
  while (taken.has(prefix)) prefix += 'd'
  return prefix
}
