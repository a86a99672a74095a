/**
 * What the body of a PUBLISH comes to: a document, itself or among others (RFC 5621), with objects (CS-11), or somewhere else
 * (RFC 4483). What may be ignored is, when it cannot be had or is not understood (RFC 3261 §20.11, RFC 4483 §5.5, CS-09).
 */

import { MultipartError, parseMultipart, type ReadPart } from '../../documents/multipart.ts'
import { pidfContentType } from '../../documents/pidf.ts'
import { pidfDiffContentType } from '../../documents/pidf-diff.ts'
import { limits } from '../../limits.ts'
import { mediaType, type OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { badRequest, SipRefusal, unsupportedMediaType } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { Params } from '../../protocols/sip/params.ts'
import { isOptional } from '../../protocols/sip-events/bodies.ts'
import type { Turn } from '../../turn.ts'
import { contentParams, type Fetched, indirectContent, indirectType } from './indirect-body.ts'
import { type CarriedObject, type ObjectStore, withObjects } from './published-objects.ts'

const relatedType = 'multipart/related'
const mixedType = 'multipart/mixed'
const alternativeType = 'multipart/alternative'

/** What a document may be (RFC 3856 §6.9, RFC 5264 §4.1). */
const documentTypes: readonly string[] = [pidfContentType, pidfDiffContentType]
/** What a PUBLISH may carry. */
export const publishContentTypes: readonly string[] = [...documentTypes, relatedType, mixedType, alternativeType]
const readTypes: readonly string[] = [...publishContentTypes, indirectType]

/** What a request publishes, once the objects it has brought are somewhere else. */
export interface PublicationBody {
  /** Media type of the document; undefined when nothing says. */
  readonly type: string | undefined
  /** Empty when there is none that counts. */
  readonly document: Uint8Array
  /** What is to be stored for it. */
  readonly objects: readonly CarriedObject[]
}

/** What is known of a publication that has waited for a Content Server elsewhere. */
export interface Known {
  /** What was asked for its document, and answered. */
  readonly fetched?: Fetched | undefined
  /** URIs of objects that could not be stored there, and may be left out. */
  readonly lost?: ReadonlySet<string> | undefined
}

/**
 * The document of a request and its objects, or what is to be asked for first.
 *
 * Throws 400 for a body that is not what its type says, is one of several, refers to a part it does not have, or cannot be had;
 * 415 for a part of a type that we do not take; 503 while the server of it cannot say.
 */
export function publicationBody(
  request: SipRequest,
  presentity: string,
  known: Known,
  store: ObjectStore,
  turn: Turn,
): PublicationBody | OutgoingHttpRequest {
  const type = request.contentType?.type
  // Nearly every one.
  if (request.body.length === 0 || type === undefined || documentTypes.includes(type))
    return { type, document: request.body, objects: [] }
  const reading = new Reading(presentity, known, store, turn)
  const mayBeIgnored = isOptional(request.header('Content-Disposition'))
  const contentType = request.header('Content-Type')!
  return reading.read({ contentType, mayBeIgnored, bytes: request.body }, 0) ?? nothing
}

const nothing: PublicationBody = { type: undefined, document: new Uint8Array(0), objects: [] }

/** Multipart bodies within one another. */
const deepest = 3

/** The body of a request, or a part of one. */
interface Body {
  /** With parameters. */
  readonly contentType: string
  readonly mayBeIgnored: boolean
  readonly bytes: Uint8Array
}

class Reading {
  readonly #presentity: string
  readonly #known: Known
  readonly #store: ObjectStore
  readonly #turn: Turn

  constructor(presentity: string, known: Known, store: ObjectStore, turn: Turn) {
    this.#presentity = presentity
    this.#known = known
    this.#store = store
    this.#turn = turn
  }

  /** Undefined: it may be ignored, and is. */
  read(body: Body, depth: number): PublicationBody | OutgoingHttpRequest | undefined {
    if (!body.mayBeIgnored) return this.#required(body, depth)
    if (!readTypes.includes(mediaType(body.contentType))) return undefined
    try {
      return this.#required(body, depth)
    } catch (error) {
      if (error instanceof SipRefusal) return undefined
      throw error
    }
  }

  #required({ contentType, bytes }: Body, depth: number): PublicationBody | OutgoingHttpRequest | undefined {
    const type = mediaType(contentType)
    if (!type.startsWith('multipart/') && type !== indirectType) return { type, document: bytes, objects: [] }
    const params = contentParams(contentType)
    if (type === indirectType) return this.#indirect(params, bytes)
    if (!publishContentTypes.includes(type)) return { type, document: bytes, objects: [] }
    if (depth === deepest) throw badRequest('Multipart Too Deep')
    const parts = partsOf(bytes, params.get('boundary') ?? '')
    switch (type) {
      case relatedType:
        return this.#related(parts, params.get('start'), depth)
      case alternativeType:
        return this.#alternative(parts, depth)
      default:
        return this.#mixed(parts, depth)
    }
  }

  #indirect(params: Params, inner: Uint8Array): PublicationBody | OutgoingHttpRequest {
    const named = (uri: string) => this.#store.named(this.#presentity, uri, this.#turn)
    const content = indirectContent(params, inner, named, this.#known.fetched, publishContentTypes, this.#turn)
    if ('uri' in content) return content
    return { type: mediaType(content.type), document: content.bytes, objects: [] }
  }

  /** RFC 5621 §3.1: one of them is the document; the others are such as may be ignored. */
  #mixed(parts: readonly ReadPart[], depth: number): PublicationBody | OutgoingHttpRequest | undefined {
    const bodies = parts.map(bodyOf)
    const required = bodies.filter(body => !body.mayBeIgnored)
    if (required.some(({ contentType }) => !readTypes.includes(mediaType(contentType))))
      throw unsupportedMediaType(publishContentTypes)
    if (required.length > 1) throw badRequest('One Document Expected')
    const [only = bodies.find(({ contentType }) => readTypes.includes(mediaType(contentType)))] = required
    return only && this.read(only, depth + 1)
  }

  /** RFC 2046 §5.1.4: the last of those that we can read. */
  #alternative(parts: readonly ReadPart[], depth: number): PublicationBody | OutgoingHttpRequest | undefined {
    let refusal = unsupportedMediaType(publishContentTypes)
    for (const body of parts.map(bodyOf).reverse()) {
      if (!readTypes.includes(mediaType(body.contentType))) continue
      try {
        const read = this.read(body, depth + 1)
        if (read !== undefined) return read
      } catch (error) {
        if (!(error instanceof SipRefusal)) throw error
        refusal = error
      }
    }
    throw refusal
  }

  /** RFC 2387: the root, which refers to the others. */
  #related(
    parts: readonly ReadPart[],
    start: string | undefined,
    depth: number,
  ): PublicationBody | OutgoingHttpRequest | undefined {
    const id = start?.replace(/^<|>$/g, '')
    const root = id === undefined ? parts[0] : parts.find(part => part.contentId === id)
    if (root === undefined) throw badRequest('No Root Part')
    const read = this.read(bodyOf(root), depth + 1)
    if (read === undefined || 'uri' in read) return read
    const others = parts.filter(part => part !== root)
    const { document, objects } = withObjects(
      read.document,
      others,
      this.#presentity,
      this.#known.lost,
      this.#store,
      this.#turn,
    )
    return { type: read.type, document, objects: [...read.objects, ...objects] }
  }
}

function bodyOf({ contentType, headers, body }: ReadPart): Body {
  return { contentType, mayBeIgnored: isOptional(headers.get('content-disposition')), bytes: body }
}

/** Throws 400. */
function partsOf(body: Uint8Array, boundary: string): ReadPart[] {
  try {
    return parseMultipart(body, boundary, limits.multipart)
  } catch (error) {
    throw error instanceof MultipartError ? badRequest(`Multipart ${printable(error.message)}`) : error
  }
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}
