/**
 * The Content Server (OMA Presence SIMPLE; PRS-13, PRS-14, PRS-15; CS-01..14): MIME objects that presence documents refer to,
 * stored by their owner over HTTP, fetched by whoever is shown the reference by the owner's rules as they stand; and presence
 * documents that are too large to be sent (RFC 4483), which are made when they are fetched.
 */

import { hash } from 'node:crypto'
import { pidfContentType } from '../../documents/pidf.ts'
import { limits } from '../../limits.ts'
import { httpAuthority } from '../../protocols/http/authority.ts'
import { checkConditions } from '../../protocols/http/conditions.ts'
import {
  contentTooLarge,
  forbidden,
  insufficientStorage,
  methodNotAllowed,
  notFound,
  rangeNotSatisfiable,
  unsupportedMediaType,
} from '../../protocols/http/errors.ts'
import { type HttpRequest, type HttpResponse, mediaType } from '../../protocols/http/message.ts'
import { type ByteRange, contentRange, multipartRanges, requestedRanges } from '../../protocols/http/range.ts'
import { originForm } from '../../protocols/xcap/document-selector.ts'
import type { Settings } from '../../settings/table.ts'
import type { Entity, Output, Transaction, Turn } from '../../turn.ts'
import { isOfType, mediaKind } from './media-type.ts'
import { contentOf, deleteObject, entityTagOf, type ObjectAddress, objectAt, objectsOf, putObject } from './objects.ts'
import { isIcon, objectPath, readObjectPath, readViewPath, refersTo, versionOf } from './uri.ts'

/** An object as a publication brings it. */
interface CarriedObject {
  readonly type: string
  readonly bytes: Uint8Array
}

export interface ContentServerOptions {
  /** Who sends a request: an address-of-record; undefined where nobody is asked. Throws HttpRefusal. */
  admit(request: HttpRequest, turn: Turn): string | undefined
  /** The user that an identifier in a URI means; undefined when it means none. */
  userOf(identifier: string): string | undefined
  isUser(db: Transaction, aor: string): boolean
  /** All that a presentity says of himself, to whomever. */
  presenceOf(presentity: string, turn: Turn): Uint8Array
  /** What a watcher is shown of a presentity by the rules as they stand; undefined when nothing. */
  presenceShown(presentity: string, watcher: string, turn: Turn): Uint8Array | undefined
}

/** An answer, and what else the turn asks for. */
export interface HandledContent {
  readonly response: HttpResponse
  readonly outputs: readonly Output[]
}

const methods = ['GET', 'HEAD', 'PUT', 'DELETE']

export class ContentServer implements Entity {
  readonly #options: ContentServerOptions

  constructor(options: ContentServerOptions) {
    this.#options = options
  }

  /** Whether a request is for an object, by the path of its target. */
  serves({ target }: HttpRequest, { content }: Settings): boolean {
    const path = originForm(target)
    return path.startsWith(`${content.root}/users/`) || path.startsWith(`${content.root}/views/`)
  }

  /**
   * Answers one request. Throws HttpRefusal, and then nothing has changed: 401, 404, also to who may not know that there is
   * something, 403, 405, 412, 413, 415, 416, 507.
   */
  handle(request: HttpRequest, _exchange: string, turn: Turn): HandledContent {
    const { admit, userOf, isUser } = this.#options
    const admitted = admit(request, turn)
    const path = originForm(request.target)
    const mark = path.indexOf('?')
    const [, kind, ...rest] = path.slice(turn.settings.content.root.length, mark === -1 ? undefined : mark).split('/')
    const below = rest.join('/')
    if (kind === 'views') return { response: this.#view(request, below, admitted, turn), outputs: [] }
    const address = readObjectPath(below, userOf)
    if (address === undefined || !isUser(turn.db, address.owner)) throw nothingHere()
    const user = admitted ?? address.owner
    if (address.name === '') return this.#collection(request, address.owner, user, turn)
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return { response: this.#get(request, address, user, turn), outputs: [] }
      case 'PUT':
        if (isIcon(address)) throw methodNotAllowed(['GET', 'HEAD'])
        return this.#put(request, address, user, turn)
      case 'DELETE':
        if (isIcon(address)) throw methodNotAllowed(['GET', 'HEAD'])
        return this.#delete(request, address, user, turn)
      default:
        throw methodNotAllowed(methods)
    }
  }

  /** The URI of an object that a publication has brought along, whose name is made of what it is (PRS-15, CS-11). */
  uriOf(owner: string, { type, bytes }: CarriedObject, turn: Turn): string {
    return `${httpAuthority(turn.settings)}${turn.settings.content.root}/users/${objectPath({ owner, name: nameOf(type, bytes, turn) })}`
  }

  /** Stores such an object; the same again changes nothing. Throws HttpRefusal: 413, 415, 507. */
  store(owner: string, { type, bytes }: CarriedObject, turn: Turn): Output[] {
    const address = { owner, name: nameOf(type, bytes, turn) }
    return objectAt(turn.db, address) === undefined ? keep(address, type, bytes, turn) : []
  }

  /** An object that nothing refers to any more, hard state and other publications included, goes (CS-13). */
  wake(token: string, turn: Turn): Output[] {
    const space = token.indexOf(' ')
    const address = { owner: token.slice(0, space), name: token.slice(space + 1) }
    if (objectAt(turn.db, address) === undefined) return []
    const { presenceOf, userOf, isUser } = this.#options
    const isNamed =
      isUser(turn.db, address.owner) && refersTo(text(presenceOf(address.owner, turn)), turn.settings, address, userOf)
    if (isNamed) return [look(address, turn)]
    deleteObject(turn.db, address)
    return []
  }

  /** POST makes an object under a name of ours, which nobody can guess (CS-03, CS-12). */
  #collection(request: HttpRequest, owner: string, user: string, turn: Turn): HandledContent {
    if (request.method !== 'POST') throw methodNotAllowed(['POST'])
    if (user !== owner) throw forbidden('These are the objects of another user')
    const address = { owner, name: turn.random.token(20) }
    const handled = this.#put({ ...request, headers: withoutConditions(request.headers) }, address, user, turn)
    const location = `${turn.settings.content.root}/users/${objectPath(address)}`
    return {
      ...handled,
      response: { ...handled.response, headers: { ...handled.response.headers, Location: location } },
    }
  }

  #get(request: HttpRequest, address: ObjectAddress, user: string, turn: Turn): HttpResponse {
    const object = objectAt(turn.db, address)
    if (object === undefined || !this.#mayRead(address, user, turn)) throw nothingHere()
    return given(
      request,
      { tag: entityTagOf(object), type: object.type, bytes: () => contentOf(turn.db, object) },
      turn,
    )
  }

  /** What a watcher is shown, as long as that is what he was told to fetch: what has changed since is told by a NOTIFY. */
  #view(request: HttpRequest, below: string, watcher: string | undefined, turn: Turn): HttpResponse {
    if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed(['GET', 'HEAD'])
    const { userOf, isUser, presenceShown } = this.#options
    const address = readViewPath(below, userOf)
    if (address === undefined || !isUser(turn.db, address.presentity)) throw nothingHere()
    const shown = presenceShown(address.presentity, watcher ?? address.presentity, turn)
    if (shown === undefined || versionOf(shown) !== address.version) throw nothingHere()
    return given(request, { tag: `"${address.version}"`, type: pidfContentType, bytes: () => shown }, turn)
  }

  /** Whether the owner's rules as they stand show a watcher a reference to an object (CS-12, XDM-63). */
  isShown(watcher: string, address: ObjectAddress, turn: Turn): boolean {
    const { presenceShown, userOf } = this.#options
    const shown = presenceShown(address.owner, watcher, turn)
    return shown !== undefined && refersTo(text(shown), turn.settings, address, userOf)
  }

  /** CS-12: the owner, and who is shown a reference to it now; of the rest nobody learns that it is there. */
  #mayRead(address: ObjectAddress, user: string, turn: Turn): boolean {
    return user === address.owner || this.isShown(user, address, turn)
  }

  #put(request: HttpRequest, address: ObjectAddress, user: string, turn: Turn): HandledContent {
    if (user !== address.owner) throw forbidden('These are the objects of another user')
    const stored = objectAt(turn.db, address)
    checkConditions(request, stored && entityTagOf(stored))
    const type = request.headers['content-type'] ?? ''
    const outputs = keep(address, type, request.body, turn)
    const headers = { ETag: entityTagOf(objectAt(turn.db, address)!) }
    return { response: { status: stored === undefined ? 201 : 200, headers, body: undefined }, outputs }
  }

  #delete(request: HttpRequest, address: ObjectAddress, user: string, turn: Turn): HandledContent {
    if (user !== address.owner) throw forbidden('These are the objects of another user')
    const stored = objectAt(turn.db, address)
    if (stored === undefined) throw nothingHere()
    checkConditions(request, entityTagOf(stored))
    deleteObject(turn.db, address)
    return { response: { status: 200, headers: {}, body: undefined }, outputs: [] }
  }
}

/** What GET and HEAD are answered with: all of it, some ranges, or that it has not changed. Throws 412 and 416. */
function given(
  request: HttpRequest,
  { tag, type, bytes }: { readonly tag: string; readonly type: string; readonly bytes: () => Uint8Array },
  turn: Turn,
): HttpResponse {
  const headers = { ETag: tag, ...alwaysSaid }
  if (checkConditions(request, tag) === 'not-modified') return { status: 304, headers, body: undefined }
  const body = bytes()
  const ranges = requestedRanges(request, body.length, tag)
  if (ranges === 'unsatisfiable') throw rangeNotSatisfiable(body.length)
  const full = { ...headers, 'Content-Type': type, 'Content-Disposition': 'attachment' }
  if (ranges === undefined) return { status: 200, headers: full, body }
  return partial(body, ranges, full, type, turn)
}

/**
 * Checks an object and stores it. It stays for a while without being referred to: a source stores first and publishes then
 * (PRS-13). Throws 413, 415, 507.
 */
function keep(address: ObjectAddress, type: string, bytes: Uint8Array, turn: Turn): Output[] {
  const { objectOctets, types } = turn.settings.content
  if (bytes.length > objectOctets) throw contentTooLarge(objectOctets)
  requireType(mediaType(type), bytes, types)
  requireRoom(address, bytes.length, turn)
  if (turn.diskIsFull) throw insufficientStorage('The disk of the box is full')
  const wasThere = objectAt(turn.db, address) !== undefined
  putObject(turn.db, address, { type, bytes })
  // A look is pending for every object from its first day on.
  return wasThere ? [] : [look(address, turn)]
}

function nameOf(type: string, bytes: Uint8Array, turn: Turn): string {
  return turn.fingerprint('object', type, hash('sha256', bytes, 'hex'))
}

function look(address: ObjectAddress, turn: Turn): Output {
  const at = turn.now + turn.settings.content.graceSeconds * 1000
  return { kind: 'wake', at, token: `${address.owner} ${address.name}`, entity: 'content-server' }
}

/** CS-14: a type that is taken, and that the octets bear out. */
function requireType(type: string, bytes: Uint8Array, types: string): void {
  if (!types.split(',').includes(type)) throw unsupportedMediaType(types)
  const kind = mediaKind(bytes)
  if (!isOfType(type, kind)) throw unsupportedMediaType(kind?.type ?? types)
  const { width = 1, height = 1 } = kind!
  if (width * height === 0 || width * height > limits.content.imagePixels) throw unsupportedMediaType(types)
}

/** How much one user may keep is for the operator to say. */
function requireRoom({ owner, name }: ObjectAddress, octets: number, turn: Turn): void {
  let count = 1
  let sum = octets
  for (const each of objectsOf(turn.db, owner)) {
    if (each.name === name) continue
    count++
    sum += each.object.size
  }
  const { userOctets } = turn.settings.content
  if (count > limits.content.objectsPerUser)
    throw insufficientStorage(`A user has at most ${limits.content.objectsPerUser} objects`)
  if (sum > userOctets) throw insufficientStorage(`The objects of a user have at most ${userOctets} octets`)
}

/**
 * Whoever has it asks each time whether he still may; it is neither run nor guessed at, and not coded on the way, since
 * ranges are of the octets as they are (RFC 9110 §14.2).
 */
const alwaysSaid = {
  'Cache-Control': 'private, no-cache, no-transform',
  'Accept-Ranges': 'bytes',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; sandbox",
}

function partial(
  bytes: Uint8Array,
  ranges: readonly ByteRange[],
  headers: HttpResponse['headers'],
  type: string,
  turn: Turn,
): HttpResponse {
  const only = ranges.length === 1 ? ranges[0] : undefined
  if (only !== undefined) {
    return {
      status: 206,
      headers: { ...headers, 'Content-Range': contentRange(only, bytes.length) },
      body: bytes.subarray(only.first, only.last + 1),
    }
  }
  const boundary = turn.random.token(24)
  return {
    status: 206,
    headers: { ...headers, 'Content-Type': `multipart/byteranges; boundary=${boundary}` },
    body: multipartRanges(bytes, ranges, type, boundary),
  }
}

function withoutConditions({
  'if-match': _match,
  'if-none-match': _noneMatch,
  ...others
}: HttpRequest['headers']): HttpRequest['headers'] {
  return others
}

function nothingHere() {
  return notFound('There is no such object')
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
