/**
 * MIME objects that a PUBLISH brings along: its document refers to them by `cid:` (RFC 2392). They go to the Content Server
 * (PRS-15), and the document refers to them there (CS-11).
 */

import type { ReadPart } from '../../documents/multipart.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { escapeAttribute } from '../../documents/xml/escape.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { HttpRefusal } from '../../protocols/http/errors.ts'
import { type HttpAnswer, mediaType, type OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { badRequest, requestEntityTooLarge, SipRefusal, unsupportedMediaType } from '../../protocols/sip/errors.ts'
import { isOptional } from '../../protocols/sip-events/bodies.ts'
import type { Output, Turn } from '../../turn.ts'
import { contentParams, externalUri, fieldWithin, hasExpired, indirectType, type Named } from './indirect-body.ts'

/** Where objects are kept, as the Presence Server sees it. */
export interface ObjectStore {
  /** The URI that an object of this owner has, or will have once it is stored. */
  uriOf(owner: string, object: CarriedObject, turn: Turn): string
  /** What a URI leads to that somebody names as a document of this owner. */
  named(owner: string, uri: string, turn: Turn): Named
  /** Whether objects of this owner are such as are taken, with room for all of them. */
  fits(owner: string, objects: readonly CarriedObject[], turn: Turn): boolean
  /** What has to be asked for elsewhere before `store`; undefined when nothing. Throws HttpRefusal: 413, 415. */
  toStore(owner: string, object: CarriedObject, turn: Turn): OutgoingHttpRequest | undefined
  /** Tells the operator when such an answer shows that the server elsewhere is not well, and when it is again. */
  troubleOf(answer: HttpAnswer, turn: Turn): Output[]
  /** Stores them; the same again changes nothing. Throws HttpRefusal: 413, 415, 507. */
  store(owner: string, objects: readonly CarriedObject[], turn: Turn): Output[]
}

export interface CarriedObject {
  /** Its Content-Type. */
  readonly type: string
  readonly bytes: Uint8Array
  /** Whether the document is published without it when it cannot be stored. */
  readonly mayBeIgnored?: boolean
}

/**
 * A document with its references to other parts made into such to where their objects will be. An object that nothing refers to is
 * left out; one that is said to be elsewhere (`message/external-body`, RFC 4483) is referred to where it is, and never fetched.
 * What refers to an object that may be ignored is left out with it when that cannot be had, as those whose URIs are `lost`.
 *
 * Throws 400 for a reference to no part, or to one that says it is elsewhere and does not say where, or is no longer.
 */
export function withObjects(
  document: Uint8Array,
  parts: readonly ReadPart[],
  presentity: string,
  lost: ReadonlySet<string> | undefined,
  store: ObjectStore,
  turn: Turn,
): { readonly document: Uint8Array; readonly objects: readonly CarriedObject[] } {
  const text = Buffer.from(document.buffer, document.byteOffset, document.length).toString('utf8')
  const named = new Map<string, ReadPart>()
  for (const [reference, id = ''] of text.matchAll(references)) {
    const part = partNamed(parts, id)
    if (part === undefined) throw badRequest(`No Part ${printable(reference)}`)
    named.set(id, part)
  }
  if (named.size === 0) return { document, objects: [] }
  const uris = new Map<string, string>()
  const objects: CarriedObject[] = []
  const leftOut = new Set<string>()
  // What must be there has the room first.
  for (const [id, part] of [...named].sort(([, a], [, b]) => Number(mayBeIgnored(a)) - Number(mayBeIgnored(b)))) {
    const place = mayBeIgnored(part) ? unlessRefused(() => placeOf(part, turn)) : placeOf(part, turn)
    if (place === undefined) {
      leftOut.add(id)
      continue
    }
    const uri = place.uri ?? store.uriOf(presentity, place.object, turn)
    const isObject = place.uri === undefined
    const isHad = !lost?.has(uri) && (!isObject || store.fits(presentity, [...objects, place.object], turn))
    if (mayBeIgnored(part) && !isHad) leftOut.add(id)
    else {
      uris.set(id, uri)
      if (isObject) objects.push(place.object)
    }
  }
  const kept = leftOut.size === 0 ? text : withoutReferences(text, leftOut)
  const rewritten = kept.replace(references, (reference, id: string) => {
    const uri = uris.get(id)
    return uri === undefined ? reference : escapeAttribute(uri)
  })
  return { document: Buffer.from(rewritten, 'utf8'), objects }
}

/** RFC 2392 §2, in text and in attributes. */
const references = /cid:([^\s"'<>]+)/g

/** Stores what a publication has brought. Throws 413 when it is too much, 415 when it is not what may be stored. */
export function storeObjects(
  presentity: string,
  objects: readonly CarriedObject[],
  store: ObjectStore,
  turn: Turn,
): Output[] {
  return objects.length === 0 ? [] : refusedByStore(turn, () => store.store(presentity, objects, turn))
}

/** What the store refuses, said to a publisher. Throws 413 and 415. */
export function refusedByStore<T>(turn: Turn, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof HttpRefusal)) throw error
    throw error.status === 415 ? unsupportedMediaType(turn.settings.content.types.split(',')) : requestEntityTooLarge()
  }
}

function mayBeIgnored({ headers }: ReadPart): boolean {
  return isOptional(headers.get('content-disposition'))
}

/** RFC 2392 §2: the Content-ID, percent-encoded; of a part that is elsewhere also the one that is said there (RFC 4483 §5.6). */
function partNamed(parts: readonly ReadPart[], id: string): ReadPart | undefined {
  let decoded = id
  try {
    decoded = decodeURIComponent(id)
  } catch {
    // Then it stands for itself.
  }
  const isMeant = (contentId: string | undefined) => contentId === decoded || contentId === id
  return (
    parts.find(({ contentId }) => isMeant(contentId)) ??
    parts.find(
      ({ contentType, body }) =>
        mediaType(contentType) === indirectType && isMeant(fieldWithin(body, 'Content-ID')?.replace(/^<|>$/g, '')),
    )
  )
}

type Place = { readonly uri?: undefined; readonly object: CarriedObject } | { readonly uri: string }

/** Where what a part stands for is (CS-04, CS-05). Throws 400 when that cannot be told, or is over. */
function placeOf(part: ReadPart, turn: Turn): Place {
  const { contentType, body } = part
  if (mediaType(contentType) !== indirectType)
    return { object: { type: contentType, bytes: body, mayBeIgnored: mayBeIgnored(part) } }
  const params = contentParams(contentType)
  const uri = externalUri(params)
  if (uri === undefined) throw badRequest('External Body Without URL')
  if (hasExpired(params, turn.now)) throw badRequest('Indirect Content Expired')
  return { uri }
}

function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof SipRefusal) return undefined
    throw error
  }
}

/** The document without the elements that refer to these; one that cannot be read as it is, to be refused in its turn. */
function withoutReferences(text: string, ids: ReadonlySet<string>): string {
  let root: XmlElement
  try {
    root = parseXml(Buffer.from(text, 'utf8'))
  } catch (error) {
    if (error instanceof XmlError) return text
    throw error
  }
  const isReferring = (value: string) => [...value.matchAll(references)].some(([, id = '']) => ids.has(id))
  let kept = ''
  let from = 0
  const visit = (element: XmlElement): void => {
    const isLeftOut =
      element.attributes.some(({ value }) => isReferring(value)) ||
      element.children.some(child => (child.kind === 'text' || child.kind === 'cdata') && isReferring(child.value))
    if (!isLeftOut) {
      for (const child of element.children) if (child.kind === 'element') visit(child)
      return
    }
    const { start, end } = element.source!
    kept += text.slice(from, start)
    from = end
  }
  visit(root)
  return kept + text.slice(from)
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}
