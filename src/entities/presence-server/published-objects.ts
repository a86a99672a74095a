/**
 * A PUBLISH that brings MIME objects along: `multipart/related` (RFC 2387) with the document as root, which refers to the
 * others by `cid:` (RFC 2392). The objects go to the Content Server (PRS-15), and the document refers to them there (CS-11).
 */

import { MultipartError, parseMultipart, type ReadPart } from '../../documents/multipart.ts'
import { limits } from '../../limits.ts'
import { HttpRefusal } from '../../protocols/http/errors.ts'
import type { HttpAnswer, OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { badRequest, requestEntityTooLarge, unsupportedMediaType } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import { Params } from '../../protocols/sip/params.ts'
import { decodeContent } from '../../protocols/sip-events/content-coding.ts'
import type { Output, Turn } from '../../turn.ts'
import { externalUri, indirectType, type Named } from './indirect-body.ts'

export const relatedContentType = 'multipart/related'

/** Where objects are kept, as the Presence Server sees it. */
export interface ObjectStore {
  /** The URI that an object of this owner has, or will have once it is stored. */
  uriOf(owner: string, object: CarriedObject, turn: Turn): string
  /** What a URI leads to that somebody names as a document of this owner. */
  named(owner: string, uri: string, turn: Turn): Named
  /** What has to be asked for elsewhere before `store`; undefined when nothing. Throws HttpRefusal: 413, 415. */
  toStore(owner: string, object: CarriedObject, turn: Turn): OutgoingHttpRequest | undefined
  /** Tells the operator when such an answer shows that the server elsewhere is not well, and when it is again. */
  troubleOf(answer: HttpAnswer, turn: Turn): Output[]
  /** Stores it; the same again changes nothing. Throws HttpRefusal: 413, 415, 507. */
  store(owner: string, object: CarriedObject, turn: Turn): Output[]
}

export interface CarriedObject {
  /** Its Content-Type. */
  readonly type: string
  readonly bytes: Uint8Array
}

/** What a request publishes, once the objects it has brought are somewhere else. */
export interface CarriedBody {
  /** Media type of the document; undefined when nothing says. */
  readonly type: string | undefined
  readonly document: Uint8Array
  /** What is to be stored for it. */
  readonly objects: readonly CarriedObject[]
}

/**
 * The document of a request and its objects. An object that nothing refers to is left out; one that is said to be elsewhere
 * (`message/external-body`, RFC 4483) is referred to where it is, and never fetched.
 *
 * Throws 400 for a body that is not what its type says, or that refers to a part it does not have; 413 and 415 for one that is
 * in a coding we cannot undo.
 */
export function carriedBody(
  request: SipRequest,
  presentity: string,
  store: ObjectStore,
  accepted: readonly string[],
  turn: Turn,
): CarriedBody {
  decodeContent(request, accepted, limits.multipart.octets)
  const type = request.contentType
  if (type?.type !== relatedContentType) return { type: type?.type, document: request.body, objects: [] }
  const parts = partsOf(request.body, type.params.get('boundary') ?? '')
  const start = type.params.get('start')?.replace(/^<|>$/g, '')
  const root = start === undefined ? parts[0] : parts.find(part => part.contentId === start)
  if (root === undefined) throw badRequest('No Root Part')
  const objects = new Map<string, CarriedObject>()
  const text = Buffer.from(root.body).toString('utf8')
  const document = text.replace(/cid:([^\s"'<>]+)/g, (reference, id: string) => {
    const part = partNamed(parts, id)
    if (part === undefined || part === root) throw badRequest(`No Part ${printable(reference)}`)
    const external = externalPart(part)
    if (external !== undefined) return escaped(external)
    const object = { type: part.contentType, bytes: part.body }
    objects.set(id, object)
    return escaped(store.uriOf(presentity, object, turn))
  })
  return {
    type: mediaTypeOf(root.contentType),
    document: objects.size === 0 && document === text ? root.body : Buffer.from(document, 'utf8'),
    objects: [...objects.values()],
  }
}

/** Stores what a publication has brought. Throws 413 when it is too much, 415 when it is not what may be stored. */
export function storeObjects(
  presentity: string,
  objects: readonly CarriedObject[],
  store: ObjectStore,
  turn: Turn,
): Output[] {
  return refusedByStore(turn, () => objects.flatMap(object => store.store(presentity, object, turn)))
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

/** Throws 400. */
function partsOf(body: Uint8Array, boundary: string): ReadPart[] {
  try {
    return parseMultipart(body, boundary, limits.multipart)
  } catch (error) {
    throw error instanceof MultipartError ? badRequest(`Multipart ${printable(error.message)}`) : error
  }
}

/** RFC 2392 §2: the Content-ID, percent-encoded. */
function partNamed(parts: readonly ReadPart[], id: string): ReadPart | undefined {
  let decoded = id
  try {
    decoded = decodeURIComponent(id)
  } catch {
    // Then it stands for itself.
  }
  return parts.find(({ contentId }) => contentId === decoded || contentId === id)
}

/** Where an object is that is not in the message (RFC 4483 §5.4, CS-04). Throws 400 when it cannot be told. */
function externalPart(part: ReadPart): string | undefined {
  if (mediaTypeOf(part.contentType) !== indirectType) return undefined
  const uri = externalUri(Params.parse(part.contentType.slice(part.contentType.indexOf(';'))))
  if (uri === undefined) throw badRequest('External Body Without URL')
  return uri
}

function mediaTypeOf(contentType: string): string {
  const semicolon = contentType.indexOf(';')
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}

function escaped(uri: string): string {
  return uri.replaceAll('&', '&amp;')
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}
