/**
 * What a subscription to changes is about (RFC 5875 §4.1, §4.4): documents, collections of them, and components of documents,
 * named by URIs below the XCAP root.
 */

import { limits } from '../../../limits.ts'
import { HttpRefusal } from '../../../protocols/http/errors.ts'
import { badRequest, requestEntityTooLarge } from '../../../protocols/sip/errors.ts'
import { parseXcapUri } from '../../../protocols/xcap/document-selector.ts'
import { type NodeSelector, parseNodeSelector, percentDecoded } from '../../../protocols/xcap/node-selector.ts'
import type { ApplicationUsage } from '../application-usage.ts'
import type { DocumentAddress } from '../documents.ts'

/** One URI of the list, resolved; plain data, kept with the subscription. */
export type Selected =
  | { readonly kind: 'document'; readonly sel: string; readonly address: DocumentAddress }
  | { readonly kind: 'component'; readonly sel: string; readonly address: DocumentAddress }
  | {
      readonly kind: 'collection'
      /** With a slash at its end; empty for the root. */
      readonly sel: string
      /** Undefined: of every application usage. */
      readonly auid: string | undefined
      /** Home directories, empty for the global tree. */
      readonly xuis: readonly string[]
      /** Directory below these, with a slash at its end, or empty. */
      readonly directory: string
    }

export interface SelectionContext {
  readonly usages: ReadonlyMap<string, ApplicationUsage>
  /** Path of the XCAP root. */
  readonly root: string
  /** Who subscribes. Of the home directories that a collection spans, his own is meant. */
  readonly subscriber: string
  userOf(xui: string): string | undefined
}

/**
 * Resolves a list of URIs, absolute or relative to the XCAP root. One that can name nothing is left out, as is one given twice:
 * who asks is not told what he cannot see (§4.7). Throws 413 for more than the limits allow, 400 for namespaces (§4.1).
 */
export function resolveSelection(uris: readonly string[], context: SelectionContext): Selected[] {
  const { entries, octets } = limits.changeSubscriptions
  if (uris.length > entries || uris.reduce((sum, uri) => sum + uri.length, 0) > octets) throw requestEntityTooLarge()
  const bySel = new Map<string, Selected>()
  for (const uri of uris) {
    const selected = resolve(relative(uri.trim(), context.root), context)
    if (selected !== undefined && !bySel.has(selected.sel)) bySel.set(selected.sel, selected)
  }
  return [...bySel.values()]
}

/** The scheme and authority of the first URI that has them. */
export function authorityOf(uris: readonly string[]): string | undefined {
  for (const uri of uris) {
    const [authority] = /^https?:\/\/[^/?#]+/i.exec(uri.trim()) ?? []
    if (authority !== undefined) return authority
  }
  return undefined
}

/** The node that a component is; what is kept was good when it was resolved. */
export function nodeOf(sel: string, usages: ReadonlyMap<string, ApplicationUsage>): NodeSelector {
  const { auid, node, query } = parseXcapUri(`/${sel}`, '')
  return parseNodeSelector(node!, query, usages.get(auid)!.defaultNamespace)
}

function relative(uri: string, root: string): string {
  const path = uri.replace(/^https?:\/\/[^/?#]+/i, '')
  if (path === '' || path === root || path === '/') return ''
  if (path.startsWith(`${root}/`)) return path.slice(root.length + 1)
  return path.startsWith('/') ? path.slice(1) : path
}

function resolve(sel: string, context: SelectionContext): Selected | undefined {
  try {
    return sel === '' || sel.endsWith('/') ? collection(sel, context) : resource(sel, context)
  } catch (error) {
    if (error instanceof HttpRefusal) return undefined
    throw error
  }
}

function resource(sel: string, { usages, userOf }: SelectionContext): Selected | undefined {
  const uri = parseXcapUri(`/${sel}`, '')
  const usage = usages.get(uri.auid)
  const xui = uri.tree === 'global' ? '' : userOf(uri.xui)
  if (usage === undefined || xui === undefined) return undefined
  const name = uri.path.slice(uri.path.lastIndexOf('/') + 1)
  const kept = xui === '' ? name : (usage.names?.[name] ?? name)
  const path = uri.path.slice(0, uri.path.length - name.length) + kept
  const address = { auid: usage.viewOf ?? usage.auid, xui, path }
  if (uri.node === undefined) return { kind: 'document', sel, address }
  const { terminal } = parseNodeSelector(uri.node, uri.query, usage.defaultNamespace)
  if (terminal?.kind === 'namespaces') throw badRequest('Namespaces Cannot Be Subscribed To')
  return { kind: 'component', sel, address }
}

function collection(sel: string, { usages, subscriber, userOf }: SelectionContext): Selected | undefined {
  const [auid, tree, ...rest] = sel.split('/').slice(0, -1).map(percentDecoded)
  if (auid !== undefined && !usages.has(auid)) return undefined
  if (tree === undefined) return { kind: 'collection', sel, auid, xuis: [subscriber, ''], directory: '' }
  if (tree === 'global') return { kind: 'collection', sel, auid, xuis: [''], directory: directoryOf(rest) }
  if (tree !== 'users') return undefined
  const [owner, ...directory] = rest
  const xui = owner === undefined ? subscriber : userOf(owner)
  if (xui === undefined) return undefined
  return { kind: 'collection', sel, auid, xuis: [xui], directory: directoryOf(directory) }
}

function directoryOf(segments: readonly string[]): string {
  return segments.map(segment => `${segment}/`).join('')
}
