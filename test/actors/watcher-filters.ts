/**
 * What a Watcher wants of what he is told (RFC 4660, RFC 4661, OMA suppression filters), as documents; and what a presence document
 * is through such a filter, written a second time on a reader that is not ours.
 */

import type { HeaderField } from '../../src/protocols/sip/message.ts'
import { type Element, isElement, readDocument } from './xml-patcher.ts'

export interface Filtering {
  /** What he wants to see. */
  readonly seeing?: 'only notes' | 'only basic status' | 'no notes' | undefined
  /** Which change he waits for. */
  readonly when?: 'notes' | 'basic status' | undefined
  /** The basic status of his own during which he is not to be told of changes. */
  readonly undisturbedWhile?: 'open' | 'closed' | undefined
}

const pidf = 'urn:ietf:params:xml:ns:pidf'
const paths = { notes: '//p:tuple/p:note', 'basic status': '//p:tuple/p:status/p:basic' }

const contents = {
  'only notes': `<include>${paths.notes}</include>`,
  'only basic status': `<include>${paths['basic status']}</include>`,
  'no notes': '<exclude>//p:note</exclude>',
}

/** The fields and the body that say so in a SUBSCRIBE; several documents make a multipart. */
export function filterBody({ seeing, when, undisturbedWhile }: Filtering): { headers: HeaderField[]; body?: string } {
  const bodies: [type: string, text: string][] = []
  if (seeing !== undefined || when !== undefined) {
    const what = seeing === undefined ? '' : `<what>${contents[seeing]}</what>`
    const trigger = when === undefined ? '' : `<trigger><changed>${paths[when]}</changed></trigger>`
    bodies.push([
      'application/simple-filter+xml',
      `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="${pidf}"/></ns-bindings><filter id="1">${what}${trigger}</filter></filter-set>`,
    ])
  }
  if (undisturbedWhile !== undefined)
    bodies.push([
      'application/vnd.oma.suppnot+xml',
      `<suppnot-filter-set xmlns="urn:oma:xml:prs:suppnot-filter" xmlns:p="${pidf}"><suppnot-filter id="1"><presattrib><suppress-if-match>//p:tuple/p:status[p:basic="${undisturbedWhile}"]</suppress-if-match></presattrib></suppnot-filter></suppnot-filter-set>`,
    ])
  const [only] = bodies
  if (only === undefined) return { headers: [] }
  if (bodies.length === 1) return { headers: [['Content-Type', only[0]]], body: only[1] }
  const parts = bodies.map(([type, text]) => `--part\r\nContent-Type: ${type}\r\n\r\n${text}\r\n`)
  return { headers: [['Content-Type', 'multipart/mixed;boundary=part']], body: `${parts.join('')}--part--\r\n` }
}

/** What there is in a document, however it is written: names with their namespaces, attributes, texts. */
export function essence(document: string | Element, seeing?: Filtering['seeing']): string {
  const root = typeof document === 'string' ? readDocument(document) : document
  return JSON.stringify(essential(root, new Map(), seeing, 0))
}

function essential(
  element: Element,
  outer: ReadonlyMap<string, string>,
  seeing: Filtering['seeing'],
  depth: number,
): unknown {
  const scope = new Map(outer)
  for (const [name, value] of element.attributes) if (/^xmlns\b/.test(name)) scope.set(name.slice(6), value)
  const nameIn = (name: string, defaults: string) => {
    const [local, prefix] = name.split(':').reverse()
    return `${prefix === undefined ? defaults : scope.get(prefix)} ${local}`
  }
  const attributes = [...element.attributes]
    .filter(([name]) => !/^xmlns\b/.test(name))
    .map(([name, value]) => `${nameIn(name, '')}=${value}`)
    .sort()
  const children = element.children.flatMap((node): unknown[] => {
    if (!isElement(node)) return 'text' in node && node.text.trim() !== '' ? [node.text.trim()] : []
    const name = nameIn(node.name, scope.get('') ?? '')
    if (seeing === 'no notes' && name === `${pidf} note`) return []
    if (seeing === 'only basic status' && !leadsToBasic(node, name, depth)) return []
    return [essential(node, scope, seeing, depth + 1)]
  })
  return [nameIn(element.name, scope.get('') ?? ''), attributes, children]
}

const wayToBasic = ['tuple', 'status', 'basic']

/** Whether an element is a basic status or has one in it, where it should be; documents here have no other `basic`. */
function leadsToBasic(element: Element, name: string, depth: number): boolean {
  if (depth >= wayToBasic.length) return true
  if (name !== `${pidf} ${wayToBasic[depth]}`) return false
  return depth === wayToBasic.length - 1 || JSON.stringify(names(element)).includes('basic')
}

function names(element: Element): string[] {
  return element.children.filter(isElement).flatMap(child => [child.name, ...names(child)])
}
