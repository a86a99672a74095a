/**
 * What is still to be told of a list that another server keeps (RFC 4662 §5.6): all of it, or the resources that have changed since
 * they were told, as many as there is room for. Versions are ours, so are the pieces (RLS-33).
 */

import { formatRelated, type Part } from '../../documents/multipart.ts'
import { formatRlmi, type Resource, resourceOctets, rlmiContentType } from '../../documents/rlmi.ts'
import { limits } from '../../limits.ts'
import type { NotifyBody } from '../../protocols/sip-events/event-package.ts'
import { formatRemoteList, type RemoteList, type RemoteResource, shownResource } from './remote-list.ts'

/** What its subscriber knows of such a list. */
export interface ToldRemoteList {
  /** Of the last document about it. */
  readonly listed: number
  /** What the list is called, and the state of the subscription to it, as a digest. */
  readonly title: string
  /** The URI of each resource he knows, followed by a digest of what he knows of it; by nothing when that is its name alone. */
  readonly resources: readonly string[]
  /** All there was of it then, where filters wait for what becomes of that. */
  readonly list?: RemoteList | undefined
}

/** What a NOTIFY may still hold, which becomes less. */
interface Room {
  resources: number
  octets: number
  isEmpty: boolean
  readonly isUntouched: boolean
}

export interface RemoteListNews {
  readonly body: NotifyBody
  readonly told: ToldRemoteList
  /** Whether there was no room for all of it. */
  readonly isUnfinished: boolean
}

export interface TellingRemoteList {
  /** Of the subscription to it. */
  readonly state: string
  /** Undefined: all is to be told. */
  readonly before: ToldRemoteList | undefined
  /** Of a document that tells all, more than that of any before. */
  readonly version: number
  /** No two lists have one, so that Content-IDs are unique. */
  readonly id: string
  readonly room: Room
  digest(...parts: readonly string[]): string
}

const { octetsPerNotify, datagramOctets } = limits.lists
/** About what a part takes beside its type and body: with the reference to it. */
const partOctets = 200

export function isToldRemoteList(told: unknown): told is ToldRemoteList {
  return typeof told === 'object' && told !== null && 'listed' in told
}

/** The next document about a list; undefined when all has been told, `no-room` when nothing of what has not been fits. */
export function remoteListNews(list: RemoteList, telling: TellingRemoteList): RemoteListNews | 'no-room' | undefined {
  const names = list.names.flatMap(({ text, language = '' }) => [text, language])
  const title = telling.digest('title', telling.state, list.uri, ...names)
  const before = telling.before?.title === title ? telling.before : undefined
  const document = new RemoteListDocument(before, telling)
  for (const resource of list.resources) document.name(resource)
  for (const resource of list.resources) document.tell(resource)
  document.end(list.resources)
  return document.write(list, title)
}

class RemoteListDocument {
  readonly #before: ToldRemoteList | undefined
  readonly #known: ReadonlyMap<string, string>
  readonly #telling: TellingRemoteList
  readonly #version: number
  readonly #told = new Map<string, string>()
  /** Octets kept free for the names of those whose states may find no room. */
  readonly #named = new Map<string, number>()
  readonly #resources: Resource[] = []
  readonly #parts: Part[] = []
  /** Octets there are room for in all. */
  readonly #room: number
  #isUnfinished = false

  constructor(before: ToldRemoteList | undefined, telling: TellingRemoteList) {
    this.#before = before
    this.#telling = telling
    this.#room = telling.room.octets
    this.#version = before === undefined ? telling.version : (before.listed + 1) % 2 ** 32
    const known = new Map<string, string>()
    for (let at = 0; before !== undefined && at < before.resources.length; at += 2)
      known.set(before.resources[at]!, before.resources[at + 1]!)
    this.#known = known
  }

  /** A document that tells all names all, as far as even that is possible. */
  name({ uri, names }: RemoteResource): void {
    const { room } = this.#telling
    const octets = resourceOctets({ uri, names, instances: [] })
    if (this.#before !== undefined || octets > room.octets) return
    room.octets -= octets
    this.#named.set(uri, octets)
  }

  tell(resource: RemoteResource): void {
    const { uri, names } = resource
    const { room } = this.#telling
    const digest = this.#digestOf(resource)
    const known = this.#known.get(uri)
    if (known === digest) {
      this.#told.set(uri, digest)
      return
    }
    const name = this.#named.get(uri)
    room.octets += name ?? 0
    const { resource: shown, parts } = shownResource(resource, this.#parts.length + 1, this.#version, this.#telling.id)
    const octets = resourceOctets(shown) + parts.reduce((sum, part) => sum + octetsOf(part), 0)
    const extra = parts.length > 0 ? datagramOctets - octetsPerNotify : 0
    const hasRoom = room.resources > 0 && octets <= room.octets + (room.isEmpty ? extra : 0)
    if (hasRoom) {
      this.#place(shown, octets)
      this.#parts.push(...parts)
      if (parts.length > 0) room.isEmpty = false
      this.#told.set(uri, digest)
      return
    }
    // What no datagram holds is not told: that there is such a resource is.
    const isNever = room.isUntouched && octets > this.#room + extra
    if (isNever || name !== undefined) this.#place({ uri, names, instances: [] }, name ?? octets)
    if (isNever) this.#told.set(uri, digest)
    else {
      this.#isUnfinished = true
      if (known !== undefined || name !== undefined) this.#told.set(uri, known ?? '')
    }
  }

  /** Those that were known and are no more. */
  end(resources: readonly RemoteResource[]): void {
    const { room } = this.#telling
    const here = new Set(resources.map(({ uri }) => uri))
    for (const [uri, digest] of this.#known) {
      if (here.has(uri)) continue
      const gone: Resource = { uri, names: [], instances: [{ id: '1', state: 'terminated', reason: 'noresource' }] }
      const octets = resourceOctets(gone)
      if (room.resources > 0 && octets <= room.octets) this.#place(gone, octets)
      else {
        this.#told.set(uri, digest)
        this.#isUnfinished = true
      }
    }
  }

  write({ uri, names }: RemoteList, title: string): RemoteListNews | 'no-room' | undefined {
    if (this.#before !== undefined && this.#resources.length === 0) return this.#isUnfinished ? 'no-room' : undefined
    const [version, fullState] = [this.#version, this.#before === undefined]
    const body = formatRlmi({ uri, version, fullState, names, resources: this.#resources })
    const root: Part = { contentType: rlmiContentType, contentId: `0.${version}@${this.#telling.id}`, body }
    return {
      body: formatRelated([root, ...this.#parts]),
      told: { listed: version, title, resources: [...this.#told].flat() },
      isUnfinished: this.#isUnfinished,
    }
  }

  #place(resource: Resource, octets: number): void {
    this.#resources.push(resource)
    this.#telling.room.resources--
    this.#telling.room.octets -= octets
  }

  #digestOf({ uri, names, instances }: RemoteResource): string {
    const { digest } = this.#telling
    const states = instances.flatMap(({ id, state, reason = '', part, list }) => {
      const inner = list && formatRemoteList(list, 0, '')
      const { contentType = '', body = undefined } = inner ?? part ?? {}
      return [id, state, reason, contentType, Buffer.from(body ?? []).toString('latin1')]
    })
    return digest('resource', uri, ...names.flatMap(({ text, language = '' }) => [text, language]), '', ...states)
  }
}

function octetsOf({ contentType, body }: Part): number {
  return partOctets + contentType.length + body.length
}
