/**
 * What a Watcher knows of a list (RFC 4662 §4.6, §5.6): rows by URI, built from one NOTIFY after another, read by a multipart
 * reader and an XML parser that are not ours. What a Resource List Server must not do is noted as a fault.
 */

import { XMLParser } from 'fast-xml-parser'
import { PartialView } from './partial-view.ts'
import type { Element as CopyElement } from './xml-patcher.ts'

export interface ListInstance {
  readonly id: string
  readonly state: string
  readonly reason: string | undefined
  readonly contentType: string | undefined
  readonly body: string
  /** Of a presence document. */
  readonly presence: 'open' | 'closed' | undefined
  readonly notes: readonly string[]
}

export interface ListRow {
  readonly uri: string
  readonly names: readonly string[]
  readonly instances: readonly ListInstance[]
  /** The rows of a list in the list. */
  readonly list: ListTable | undefined
  /** His presence, where it is told by what changes in it (RFC 5263): gone with the row. */
  readonly view: PartialView | undefined
}

interface MimePart {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
  readonly id: string | undefined
  readonly body: string
}

const xml = new XMLParser({
  ignoreAttributes: false,
  removeNSPrefix: true,
  attributeNamePrefix: '@',
  isArray: name => ['tuple', 'note', 'resource', 'name', 'instance'].includes(name),
})

type Element = Record<string, unknown>

export class ListTable {
  uri = ''
  names: readonly string[] = []
  version: number | undefined
  readonly rows = new Map<string, ListRow>()
  readonly faults: string[] = []
  /** Of each document: whether it had the full state, and the URIs it told of. */
  readonly documents: { readonly fullState: boolean; readonly uris: readonly string[] }[] = []

  /** Takes one body; `mustBeFull`: it answers a SUBSCRIBE (§5.2). `isLast`: it came with the end, which waits for no answer. */
  apply(contentType: string, body: string, mustBeFull: boolean, isLast = false): void {
    const type = mediaType(contentType)
    if (type.type !== 'multipart/related') {
      this.faults.push(`a NOTIFY about a list with ${contentType || 'no body'}`)
      return
    }
    const parts = partsOf(body, type.parameters.get('boundary') ?? '')
    const start = type.parameters.get('start')?.replace(/^<|>$/g, '')
    const root = parts.find(({ id }) => id === start) ?? parts[0]
    if (root?.type !== 'application/rlmi+xml' || type.parameters.get('type') !== 'application/rlmi+xml') {
      this.faults.push(`the root part is ${root?.type}`)
      return
    }
    if (new Set(parts.map(({ id }) => id)).size !== parts.length) this.faults.push('a Content-ID stands twice')
    const list = xml.parse(root.body).list as Element
    const version = Number(list['@version'])
    const fullState = list['@fullState'] === 'true' || list['@fullState'] === '1'
    this.#checkVersion(version, fullState || isLast, mustBeFull)
    this.version = version
    this.uri = String(list['@uri'])
    this.names = texts(list.name)
    if (fullState) for (const uri of this.rows.keys()) if (!uris(list).includes(uri)) this.rows.delete(uri)
    this.documents.push({ fullState, uris: uris(list) })
    const used = new Set<string>()
    for (const resource of (list.resource ?? []) as Element[]) this.#take(resource, parts, fullState, used)
    for (const part of parts)
      if (part !== root && (part.id === undefined || !used.has(part.id)))
        this.faults.push(`nothing refers to the part ${part.id}`)
  }

  /** The row's one instance, as `active open note`, `pending`, `terminated rejected`, or `unknown`. */
  state(uri: string): string {
    const row = this.rows.get(uri)
    if (row === undefined) return 'absent'
    if (row.list !== undefined) return 'list'
    const [instance] = row.instances
    if (instance === undefined) return 'unknown'
    const { state, reason, presence, notes } = instance
    return [state, reason, presence, ...notes].filter(word => word !== undefined).join(' ')
  }

  #checkVersion(version: number, fullState: boolean, mustBeFull: boolean): void {
    // One that a killed box had counted and not sent leaves a gap, which only full state may follow (§5.6.2).
    if (this.version === undefined && version !== 0 && !fullState) this.faults.push(`the first version is ${version}`)
    if (this.version !== undefined && (version <= this.version || (version !== this.version + 1 && !fullState)))
      this.faults.push(`version ${version} after ${this.version}`)
    if ((this.version === undefined || mustBeFull) && !fullState) this.faults.push('full state was due')
  }

  #take(resource: Element, parts: readonly MimePart[], fullState: boolean, used: Set<string>): void {
    const uri = String(resource['@uri'])
    let list: ListTable | undefined
    let view: PartialView | undefined
    const instances = ((resource.instance ?? []) as Element[]).map(instance => {
      const cid = instance['@cid'] as string | undefined
      const state = String(instance['@state'])
      const reason = instance['@reason'] as string | undefined
      if (state === 'terminated' && reason === undefined) this.faults.push(`${uri} is terminated without reason`)
      if (state === 'active' && cid === undefined) this.faults.push(`${uri} is active without cid`)
      const part = parts.find(({ id }) => id === cid && cid !== undefined)
      if (cid !== undefined && part === undefined) this.faults.push(`no part has the cid ${cid}`)
      if (cid !== undefined) used.add(cid)
      if (part?.type === 'multipart/related') {
        const known = fullState ? undefined : this.rows.get(uri)?.list
        list = known ?? new ListTable()
        if (known === undefined) list.version = Number(/version="(\d+)"/.exec(part.body)?.[1]) - 1
        list.apply(
          `multipart/related;${[...part.parameters].map(([n, v]) => `${n}="${v}"`).join(';')}`,
          part.body,
          fullState,
        )
        this.faults.push(...list.faults.splice(0).map(fault => `${uri}: ${fault}`))
      }
      if (part?.type === 'application/pidf-diff+xml') {
        view = (fullState ? undefined : this.rows.get(uri)?.view) ?? new PartialView()
        view.receive(part.type, part.body)
        this.faults.push(...view.faults.splice(0).map(fault => `${uri}: ${fault}`))
      }
      const isPresence = part?.type === 'application/pidf+xml'
      const copy = view?.needsFull === false ? view.document : undefined
      const tuples = isPresence ? ((xml.parse(part.body).presence?.tuple ?? []) as Element[]) : []
      return {
        id: String(instance['@id']),
        state,
        reason,
        contentType: part?.type,
        body: part?.body ?? '',
        presence: isPresence ? presenceOf(tuples) : copy && presenceIn(copy),
        notes: isPresence ? tuples.flatMap(tuple => texts(tuple.note)) : textsOf(copy, 'tuple', 'note'),
      } as const
    })
    this.rows.set(uri, { uri, names: texts(resource.name), instances, list, view })
  }
}

function presenceOf(tuples: readonly Element[]): 'open' | 'closed' {
  return tuples.some(tuple => (tuple.status as { basic?: string })?.basic === 'open') ? 'open' : 'closed'
}

/** The same of a copy that is kept up to date by what changes. */
function presenceIn(copy: CopyElement): 'open' | 'closed' {
  return textsOf(copy, 'tuple', 'status', 'basic').includes('open') ? 'open' : 'closed'
}

/** The texts of all elements that lie on a path of local names below an element. */
function textsOf(element: CopyElement | undefined, ...path: readonly string[]): string[] {
  const children = element?.children ?? []
  const [name, ...rest] = path
  if (name === undefined) return [children.map(child => ('text' in child ? child.text : '')).join('')]
  return children.flatMap(child =>
    'name' in child && child.name.replace(/^.*:/, '') === name ? textsOf(child, ...rest) : [],
  )
}

function uris(list: Element): string[] {
  return ((list.resource ?? []) as Element[]).map(resource => String(resource['@uri']))
}

function texts(elements: unknown): string[] {
  return ((elements ?? []) as unknown[]).map(element =>
    typeof element === 'object' && element !== null ? String((element as Element)['#text']) : String(element),
  )
}

/** RFC 2046 §5.1.1, by the book: the delimiter on a line of its own, CRLF before it. */
function partsOf(body: string, boundary: string): MimePart[] {
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`)
  const end = pieces.findIndex(piece => piece.startsWith('--'))
  if (end === -1) throw new Error(`no end of the multipart with boundary ${boundary}`)
  return pieces.slice(1, end).map(piece => {
    const split = piece.indexOf('\r\n\r\n')
    const headers = piece
      .slice(0, split)
      .split('\r\n')
      .filter(line => line.trim() !== '')
    const value = (name: string) =>
      headers
        .find(line => line.toLowerCase().startsWith(`${name}:`))
        ?.slice(name.length + 1)
        .trim()
    return {
      ...mediaType(value('content-type') ?? ''),
      id: value('content-id')?.replace(/^<|>$/g, ''),
      body: piece.slice(split + 4),
    }
  })
}

function mediaType(text: string): { type: string; parameters: Map<string, string> } {
  const [type = '', ...rest] = text.split(';')
  const parameters = new Map<string, string>()
  for (const [, name, quoted, plain] of rest.join(';').matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|([^;\s]+))/g))
    parameters.set(name!.toLowerCase(), quoted ?? plain ?? '')
  return { type: type.trim().toLowerCase(), parameters }
}
