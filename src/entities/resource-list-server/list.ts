/**
 * What a list consists of: a service of RFC 4826 §4, whose lists within lists and references are flattened into one list, or
 * the lists that a SUBSCRIBE brings (RFC 5367). A member that is itself a list service stays one member.
 */

import { resourceListsNamespace } from '../../documents/resource-lists.ts'
import type { Name } from '../../documents/rlmi.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import {
  attributeValue,
  childElements,
  textContent,
  trimXml,
  type XmlElement,
  xmlNamespace,
} from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import { ParseError } from '../../protocols/sip/errors.ts'
import { addressOfRecord, isSipUri, isTelUri, parseUri, type Uri } from '../../protocols/sip/uri.ts'
import type { Turn } from '../../turn.ts'
import type { DocumentAddress } from '../xdms/documents.ts'
import { type FoundLists, type ListSource, walkLists } from '../xdms/list-walk.ts'
import { type ListContext, listUri } from './context.ts'

/** What a member is: somebody the Presence Server of this box serves, another list of this box, somebody elsewhere, or no SIP resource. */
export type MemberKind = 'user' | 'list' | 'remote' | 'none'

export interface Member {
  readonly kind: MemberKind
  /** As the list has it. */
  readonly uri: string
  readonly names: readonly Name[]
}

export interface List {
  readonly names: readonly Name[]
  /** By canonical URI: each once (RFC 5363 §4.2, RLS-30). */
  readonly members: ReadonlyMap<string, Member>
  /** The documents it was read from, those that were looked for and are missing included. */
  readonly from: readonly DocumentAddress[]
}

/** A list of `uri` as it is now. `missing`: there is none. `too-long`: it has more members than are served (RLS-23). */
export function listOf(uri: string, context: ListContext, turn: Turn): List | 'missing' | 'too-long' {
  const place = context.documents.placeOf(turn.db, uri)
  const service = place && context.documents.service(place, uri, turn)
  if (place === undefined || service === undefined) return 'missing'
  const from = new Map([[keyOf(place), place]])
  const reader = new ListReader(context, place.xui, from, turn)
  const start = service.list ?? reader.local(service.resourceList ?? '')
  return reader.read(start) ? { names: reader.names, members: reader.members, from: [...from.values()] } : 'too-long'
}

/** The union of lists that a request has brought. Throws XmlError when one cannot be read. */
export function listOfBodies(
  bodies: readonly Uint8Array[],
  owner: string,
  context: ListContext,
  turn: Turn,
): List | 'too-long' {
  const from = new Map<string, DocumentAddress>()
  const reader = new ListReader(context, owner, from, turn)
  for (const body of bodies) {
    const root = parseXml(body, { limits: limits.xcapDocument, instructions: true })
    for (const list of childElements(root, resourceListsNamespace, 'list')) if (!reader.read(list)) return 'too-long'
  }
  return { names: [], members: reader.members, from: [] }
}

class ListReader {
  readonly members = new Map<string, Member>()
  readonly names: Name[] = []
  readonly #context: ListContext
  readonly #turn: Turn
  readonly #source: ListSource
  #entries = 0

  constructor(context: ListContext, owner: string, from: Map<string, DocumentAddress>, turn: Turn) {
    this.#context = context
    this.#turn = turn
    this.#source = {
      root: context.documents.listRoot(),
      // Only the owner's lists and the global ones: another's would be given away by what is shown of it.
      read: (auid, xui, path) => {
        const user = xui === '' ? '' : context.documents.userOfXui(xui)
        if (user === undefined || (user !== '' && user !== owner)) return 'unavailable'
        const address = { auid, xui: user, path }
        from.set(keyOf(address), address)
        const document = context.documents.document(address, turn)
        return document === 'unavailable' ? document : document && readable(document.body)
      },
    }
  }

  /** COMPAT(RCS): a reference below another root than ours is the list below ours (XDM-41). */
  local(reference: string): string {
    const at = reference.indexOf('/resource-lists/users/')
    return at === -1 ? reference : `${this.#source.root}${reference.slice(at)}`
  }

  /** Adds what a list has; false when there are too many. */
  read(start: string | XmlElement): boolean {
    if (typeof start !== 'string') this.names.push(...namesOf(start))
    return walkLists(start, this.#source, {
      start: list => this.names.push(...namesOf(list)),
      entry: (element, reference) => {
        this.#add(element, reference)
        // One that is met again and again is no further member, but it is work.
        if (++this.#entries > limits.externalLists.members) return false
        return this.members.size <= this.#turn.settings.lists.membersMax
      },
      unavailable: () => true,
    })
  }

  #add(element: XmlElement, reference: XmlElement | undefined): void {
    const uri = attributeValue(element, 'uri')?.trim() ?? ''
    if (uri.length > limits.lists.uriCharacters) return
    const [key, kind] = this.#identify(uri)
    if (this.members.has(key)) return
    // RFC 4826 §3.1: a nickname in place of the name in the entry that is referred to.
    const nicknames = reference === undefined ? [] : namesOf(reference)
    this.members.set(key, { kind, uri, names: nicknames.length > 0 ? nicknames : namesOf(element) })
  }

  #identify(text: string): [key: string, kind: MemberKind] {
    try {
      const uri = subscribableUri(text)
      const service = listUri(uri, this.#context, this.#turn.db)
      if (this.#context.documents.placeOf(this.#turn.db, service) !== undefined) return [service, 'list']
      const user = isTelUri(uri) ? this.#context.documents.userOfXui(text) : this.#context.userOf(uri)
      if (user !== undefined) return [user, 'user']
      return isSipUri(uri) ? [addressOfRecord(uri), 'remote'] : [text, 'none']
    } catch (error) {
      if (error instanceof ParseError) return [text, 'none']
      throw error
    }
  }
}

/** What is subscribed to for a member: of a `pres` URI the SIP URI of the same name (RFC 4826 §4.5, RFC 3859 §3.1). Throws ParseError. */
export function subscribableUri(text: string): Uri {
  return parseUri(text.replace(/^pres:/i, 'sip:'))
}

/** The display names of a list or an entry (RFC 4826 §3.1), as many as are shown. */
function namesOf(element: XmlElement): Name[] {
  let room: number = limits.lists.nameCharacters
  return childElements(element)
    .filter(({ name }) => name === 'display-name')
    .map(name => ({ text: trimXml(textContent(name)), language: attributeValue(name, 'lang', xmlNamespace) }))
    .filter(({ text, language = '' }) => {
      room -= text.length + language.length
      return room >= 0
    })
}

function keyOf({ auid, xui, path }: DocumentAddress): string {
  return `${auid} ${xui} ${path}`
}

function readable(body: Uint8Array): FoundLists {
  try {
    return parseXml(body, { limits: limits.xcapDocument, instructions: true })
  } catch (error) {
    if (error instanceof XmlError) return 'unavailable'
    throw error
  }
}
