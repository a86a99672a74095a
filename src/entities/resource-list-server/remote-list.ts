/**
 * The state of a list that another server tells of (RFC 4662 §5.6), put together of its documents so that it can be told again
 * whole. The states of its members stay as they came (§7.3).
 */

import { formatRelated, MultipartError, type Part, parseMultipart } from '../../documents/multipart.ts'
import {
  formatRlmi,
  type Instance,
  type Name,
  parseRlmi,
  type Resource,
  rlmiContentType,
} from '../../documents/rlmi.ts'
import { limits } from '../../limits.ts'
import { Params } from '../../protocols/sip/params.ts'
import type { NotifyBody } from '../../protocols/sip-events/event-package.ts'

export interface RemoteInstance extends Omit<Instance, 'cid'> {
  readonly part: { readonly contentType: string; readonly body: Uint8Array } | undefined
  /** In place of a part: the state of a list in the list. */
  readonly list: RemoteList | undefined
}

type State = NonNullable<RemoteInstance['part']>

export interface RemoteResource {
  readonly uri: string
  readonly names: readonly Name[]
  readonly instances: readonly RemoteInstance[]
}

export interface RemoteList {
  readonly uri: string
  readonly version: number
  readonly names: readonly Name[]
  readonly resources: readonly RemoteResource[]
  /** False when a document has been missed: only the next full state makes it whole (§5.6.2). */
  readonly isWhole: boolean
}

const maximumDepth = 8

/** Whether a body of this type tells of a list. */
export function tellsOfList(contentType: string): boolean {
  return /^multipart\/related\b/i.test(contentType) && /application\/rlmi\+xml/i.test(contentType)
}

/** The state after a document. Throws MultipartError or XmlError when it cannot be read. */
export function mergedList(
  before: RemoteList | undefined,
  contentType: string,
  body: Uint8Array,
  depth = 0,
): RemoteList {
  if (depth >= maximumDepth) throw new MultipartError('lists in lists lie too deep')
  const params = Params.parse(contentType.slice(contentType.indexOf(';')))
  const parts = parseMultipart(body, params.get('boundary') ?? '', limits.lists.multipart)
  const start = params.get('start')?.replace(/^<|>$/g, '')
  const root = parts.find(({ contentId }) => contentId !== undefined && contentId === start) ?? parts[0]
  if (root === undefined) throw new MultipartError('there is no root part')
  const list = parseRlmi(root.body, limits.xcapDocument)
  const isNext = before !== undefined && list.version === before.version + 1
  if (before !== undefined && !list.fullState && list.version <= before.version) return before
  const known = new Map(before?.resources.map(resource => [resource.uri, resource]))
  const told = list.resources.map(resource => resourceOf(resource, parts, known.get(resource.uri), depth))
  if (list.fullState) known.clear()
  for (const resource of told) known.set(resource.uri, resource)
  if (known.size > limits.lists.remoteResources) throw new MultipartError('the list has too many resources')
  const merged = {
    uri: list.uri,
    version: list.version,
    names: list.fullState || list.names.length > 0 ? list.names : (before?.names ?? []),
    resources: [...known.values()],
    isWhole: list.fullState || (isNext && before.isWhole),
  }
  if (octetsOf(merged) > limits.lists.remoteOctets) throw new MultipartError('the list is too large')
  return merged
}

function resourceOf(
  { uri, names, instances }: Resource,
  parts: readonly Part[],
  before: RemoteResource | undefined,
  depth: number,
): RemoteResource {
  return {
    uri,
    names,
    instances: instances.map(({ id, state, reason, cid }) => {
      const part = cid === undefined ? undefined : parts.find(({ contentId }) => contentId === cid)
      if (part === undefined || !tellsOfList(part.contentType)) {
        const own = part && { contentType: part.contentType, body: part.body }
        return { id, state, reason, part: own, list: undefined }
      }
      const inner = before?.instances.find(other => other.id === id)?.list
      const list = mergedList(inner, part.contentType, part.body, depth + 1)
      return { id, state, reason, part: undefined, list }
    }),
  }
}

/** The list with other states of its members, or none; each is asked for with the URIs that lead to it, its own first, and its instance. */
export function mappedList(
  list: RemoteList,
  change: (part: State, path: readonly string[], instance: string) => RemoteInstance['part'],
  outer: readonly string[] = [],
): RemoteList {
  const resources = list.resources.map(resource => {
    const path = [resource.uri, ...outer]
    const instances = resource.instances.map(instance => ({
      ...instance,
      part: instance.part && change(instance.part, path, instance.id),
      list: instance.list && mappedList(instance.list, change, path),
    }))
    return { ...resource, instances }
  })
  return { ...list, resources }
}

/** The state in a list of the member that these URIs lead to, its own first. */
export function stateAt(list: RemoteList, path: readonly string[], instance: string): State | undefined {
  const resource = list.resources.find(({ uri }) => uri === path.at(-1))
  if (path.length === 1) return resource?.instances.find(({ id }) => id === instance)?.part
  for (const { list: inner } of resource?.instances ?? []) {
    const found = inner && stateAt(inner, path.slice(0, -1), instance)
    if (found !== undefined) return found
  }
  return undefined
}

/** What is kept of a list, octets. */
function octetsOf({ names, resources }: RemoteList): number {
  const namesOctets = (all: readonly Name[]) => all.reduce((sum, { text }) => sum + text.length, 0)
  let octets = namesOctets(names)
  for (const { uri, names: called, instances } of resources) {
    octets += uri.length + namesOctets(called)
    for (const { part, list } of instances) octets += (part?.body.length ?? 0) + (list ? octetsOf(list) : 0)
  }
  return octets
}

/** All of a list, as a part of a document of ours. `version` is ours; no two lists have one `id`, so that Content-IDs are unique. */
export function formatRemoteList(list: RemoteList, version: number, id: string): NotifyBody {
  const parts: Part[] = []
  const resources = list.resources.map(resource => {
    const shown = shownResource(resource, parts.length + 1, version, id)
    parts.push(...shown.parts)
    return shown.resource
  })
  const body = formatRlmi({ uri: list.uri, version, fullState: true, names: list.names, resources })
  return formatRelated([{ contentType: rlmiContentType, contentId: `0.${version}@${id}`, body }, ...parts])
}

/**
 * A resource for a document of ours, and the parts that go with it, the first of which is the one at `place` in it. Instances
 * have what they must (§5.5), whatever their notifier has said.
 */
export function shownResource(
  { uri, names, instances }: RemoteResource,
  place: number,
  version: number,
  id: string,
): { readonly resource: Resource; readonly parts: readonly Part[] } {
  const parts: Part[] = []
  const shown = instances.flatMap(({ id: instance, state, reason, part, list }): Instance[] => {
    const at = place + parts.length
    const attached = list ? formatRemoteList(list, version, `${id}.${at}`) : part
    if (attached === undefined && state === 'active') return []
    const why = reason ?? (state === 'terminated' ? 'deactivated' : undefined)
    if (attached === undefined) return [{ id: instance, state, reason: why }]
    const cid = `${at}.${version}@${id}`
    parts.push({ ...attached, contentId: cid })
    return [{ id: instance, state, reason: why, cid }]
  })
  return { resource: { uri, names, instances: shown }, parts }
}
