/**
 * The Content Server (OMA Presence SIMPLE; PRS-13, PRS-14, PRS-15; CS-01..14): MIME objects that presence documents refer to,
 * stored by their owner over HTTP, fetched by whoever is shown the reference by the owner's rules as they stand; and presence
 * documents that are too large to be sent (RFC 4483), which are made when they are fetched. The objects may be kept by a Content
 * Server elsewhere, and those of a Presence Server elsewhere here.
 */
import { hash } from 'node:crypto'
import { pidfContentType } from '../../documents/pidf.ts'
import { assertedSender } from '../../protocols/http/asserted-identity.ts'
import { httpAuthority } from '../../protocols/http/authority.ts'
import { checkConditions } from '../../protocols/http/conditions.ts'
import { forbidden, HttpRefusal, methodNotAllowed } from '../../protocols/http/errors.ts'
import type { HttpAnswer, HttpRequest, HttpResponse, OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { requireWhole } from '../../protocols/http/range.ts'
import { ParseError } from '../../protocols/sip/errors.ts'
import { addressOfRecord, parseUri } from '../../protocols/sip/uri.ts'
import { originForm } from '../../protocols/xcap/document-selector.ts'
import type { Settings } from '../../settings/table.ts'
import type { Entity, Output, Transaction, Turn } from '../../turn.ts'
import { contentServerElsewhere, Gateway, getRequest, isElsewhere, putRequest, storedElsewhere } from './gateway.ts'
import { given, nothingHere } from './given.ts'
import { hold, isHeld, letGo, lookAtHeld } from './held-objects.ts'
import { keep, look, requireGood, requireRoom } from './keep.ts'
import {
  contentOf,
  deleteObject,
  entityTagOf,
  type ObjectAddress,
  objectAt,
  objectsOf,
  type StoredObject,
} from './objects.ts'

import { isIcon, objectPath, pathHere, readObjectPath, readViewPath, refersTo, versionOf } from './uri.ts'

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
  presenceShown(presentity: string, identities: readonly string[], turn: Turn): Uint8Array | undefined
}

/** An answer, unless it leaves later, and what else the turn asks for. */
export interface HandledContent {
  readonly response: HttpResponse | undefined
  readonly outputs: readonly Output[]
}

const methods = ['GET', 'HEAD', 'PUT', 'DELETE']

export class ContentServer implements Entity {
  readonly #options: ContentServerOptions
  readonly #gateway = new Gateway((address, user, turn) => this.#mayRead(address, user, turn))

  constructor(options: ContentServerOptions) {
    this.#options = options
  }

  /** Whether a request is for an object, by the path of its target, or by who is let in where it came from. */
  serves({ target, source }: HttpRequest, { content }: Settings): boolean {
    if (source.listener !== undefined) return source.listener === 'content'
    const path = originForm(target)
    return path.startsWith(`${content.root}/users/`) || path.startsWith(`${content.root}/views/`)
  }

  /**
   * Answers one request, now or later under `exchange`. Throws HttpRefusal, and then nothing has changed: 401, 404, also to who
   * may not know that there is something, 400, 403, 405, 412, 413, 415, 416, 507.
   */
  handle(request: HttpRequest, exchange: string, turn: Turn): HandledContent {
    const { admit, userOf, isUser } = this.#options
    if (request.source.listener === 'content') return this.#forPresenceServer(request, turn)
    const admitted = admit(request, turn)
    const [kind, below] = placeOf(request, turn)
    if (kind === 'views') return { response: this.#view(request, below, admitted, turn), outputs: [] }
    const address = readObjectPath(below, userOf)
    if (address === undefined || !isUser(turn.db, address.owner)) throw nothingHere()
    const user = admitted ?? address.owner
    if (address.name === '') return this.#collection(request, exchange, address.owner, user, turn)
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        return this.#get(request, exchange, address, user, turn)
      case 'PUT':
        if (isIcon(address)) throw methodNotAllowed(['GET', 'HEAD'])
        return this.#put(request, exchange, address, user, turn)
      case 'DELETE':
        if (isIcon(address)) throw methodNotAllowed(['GET', 'HEAD'])
        return this.#delete(request, exchange, address, user, turn)
      default:
        throw methodNotAllowed(methods)
    }
  }

  httpResponse(token: string, answer: HttpAnswer, turn: Turn): Output[] {
    return this.#gateway.httpResponse(token, answer, turn)
  }

  /** The URI of an object that a publication has brought along, whose name is made of what it is (PRS-15, CS-11). */
  uriOf(owner: string, { type, bytes }: CarriedObject, turn: Turn): string {
    return `${httpAuthority(turn.settings)}${turn.settings.content.root}/users/${objectPath({ owner, name: nameOf(type, bytes, turn) })}`
  }

  /**
   * What a URI leads to that somebody names as a document of this owner (RFC 4483): his object, or what is to be asked for it. Its
   * path says which; no name of a host is looked up.
   */
  named(owner: string, uri: string, turn: Turn): CarriedObject | OutgoingHttpRequest | 'missing' | 'elsewhere' {
    const { userOf } = this.#options
    const below = pathHere(uri, turn.settings)
    const address = below === undefined ? undefined : readObjectPath(below, userOf)
    if (address === undefined || address.name === '' || address.owner !== owner) return 'elsewhere'
    const object = objectAt(turn.db, address)
    if (object !== undefined) return { type: object.type, bytes: contentOf(turn.db, object) }
    const server = contentServerElsewhere(turn.settings)
    return server !== undefined && isElsewhere(turn.db, address) ? getRequest(address, server, turn) : 'missing'
  }

  /** Whether such objects are good ones, and there is room for all that are not stored yet; elsewhere that is not known. */
  fits(owner: string, objects: readonly CarriedObject[], turn: Turn): boolean {
    try {
      for (const { type, bytes } of this.#notStored(owner, objects, turn)) requireGood(type, bytes, turn)
      if (contentServerElsewhere(turn.settings) === undefined) this.#inTheWay(owner, objects, turn)
      return true
    } catch (error) {
      if (error instanceof HttpRefusal) return false
      throw error
    }
  }

  /**
   * What has to be asked for elsewhere before such an object can be called stored; undefined when nothing. Throws HttpRefusal: 413,
   * 415.
   */
  toStore(owner: string, object: CarriedObject, turn: Turn): OutgoingHttpRequest | undefined {
    const server = contentServerElsewhere(turn.settings)
    const address = { owner, name: nameOf(object.type, object.bytes, turn) }
    if (server === undefined || objectAt(turn.db, address) !== undefined) return undefined
    requireGood(object.type, object.bytes, turn)
    // Its name is made of what it is, so that what is there is the same.
    const headers = { 'If-None-Match': '*' }
    return isElsewhere(turn.db, address) ? undefined : putRequest(address, object, server, turn, headers)
  }

  /**
   * Stores such objects, or notes that they are stored elsewhere; the same again change nothing. What is in their way and left of
   * earlier publications goes. Throws HttpRefusal: 413, 415, 507.
   */
  store(owner: string, objects: readonly CarriedObject[], turn: Turn): Output[] {
    const server = contentServerElsewhere(turn.settings)
    const others = this.#notStored(owner, objects, turn)
    if (server !== undefined) return others.flatMap(({ name }) => storedElsewhere({ owner, name }, server, turn))
    for (const name of this.#inTheWay(owner, objects, turn)) deleteObject(turn.db, { owner, name })
    return others.flatMap(({ name, type, bytes }) => keep({ owner, name }, type, bytes, turn))
  }

  #notStored(owner: string, objects: readonly CarriedObject[], turn: Turn): Array<CarriedObject & { name: string }> {
    const named = objects.map(({ type, bytes }) => ({ type, bytes, name: nameOf(type, bytes, turn) }))
    return named.filter(({ name }) => objectAt(turn.db, { owner, name }) === undefined)
  }

  /** Names of what is to go before these objects have room, which nobody will ask for any more. Throws 507 when that is not enough. */
  #inTheWay(owner: string, objects: readonly CarriedObject[], turn: Turn): readonly string[] {
    const added = this.#notStored(owner, objects, turn)
    try {
      requireRoom(owner, added, turn)
      return []
    } catch (error) {
      if (!(error instanceof HttpRefusal)) throw error
    }
    const needed = new Set(objects.map(({ type, bytes }) => nameOf(type, bytes, turn)))
    const left = this.#leftBehind(owner, turn).filter(name => !needed.has(name))
    requireRoom(owner, added, turn, left)
    return left
  }

  /** Objects that publications have brought, which had no other use than to be referred to, and are not any more. */
  #leftBehind(owner: string, turn: Turn): string[] {
    const presence = this.#options.presenceOf(owner, turn)
    return [...objectsOf(turn.db, owner)]
      .filter(({ name, object: { type, digest } }) => name === nameOfDigest(type, digest, turn))
      .filter(({ name }) => !refersTo(presence, turn.settings, { owner, name }, this.#options.userOf))
      .map(({ name }) => name)
  }

  /** An object that nothing refers to any more, hard state and other publications included, goes (CS-13). */
  wake(token: string, turn: Turn): Output[] {
    const space = token.indexOf(' ')
    const address = { owner: token.slice(0, space), name: token.slice(space + 1) }
    if (isHeld(address, turn)) return lookAtHeld(address, turn)
    const isHere = objectAt(turn.db, address) !== undefined
    if (!isHere && !isElsewhere(turn.db, address)) return []
    const { presenceOf, userOf, isUser } = this.#options
    const isNamed =
      isUser(turn.db, address.owner) && refersTo(presenceOf(address.owner, turn), turn.settings, address, userOf)
    if (!isHere) return this.#gateway.look(address, isNamed, turn)
    if (isNamed) return [look(address, turn)]
    deleteObject(turn.db, address)
    return []
  }

  /**
   * A Presence Server elsewhere stores and fetches objects in the names of its users, who need not be users here (PRS-15). What it
   * asks for is kept here, whatever `prs15.root` says: sending it on could send it round. Throws 403 for who is not trusted, or
   * is after the objects of another than whom he asserts.
   */
  #forPresenceServer(request: HttpRequest, turn: Turn): HandledContent {
    const { userOf, isUser } = this.#options
    const users = { userOf, isUser: (user: string) => isUser(turn.db, user) }
    const { user: asserted } = assertedSender(request, turn.settings.content, users)
    const [kind, below] = placeOf(request, turn)
    const address = kind === 'users' ? readObjectPath(below, xui => userOf(xui) ?? addressElsewhere(xui)) : undefined
    if (address === undefined || address.name === '' || isIcon(address)) throw nothingHere()
    if (asserted !== address.owner) throw forbidden('These are the objects of another user')
    const stored = objectAt(turn.db, address)
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        if (stored === undefined) throw nothingHere()
        return { response: this.#given(request, stored, turn), outputs: hold(address, turn) }
      case 'PUT': {
        const { response } = this.#putHere(request, address, turn)
        return { response, outputs: hold(address, turn) }
      }
      case 'DELETE': {
        const { response } = this.#deleteHere(request, address, turn)
        letGo(address, turn)
        return { response, outputs: [] }
      }
      default:
        throw methodNotAllowed(methods)
    }
  }

  /** POST makes an object under a name of ours, which nobody can guess (CS-03, CS-12). */
  #collection(request: HttpRequest, exchange: string, owner: string, user: string, turn: Turn): HandledContent {
    if (request.method !== 'POST') throw methodNotAllowed(['POST'])
    if (user !== owner) throw forbidden('These are the objects of another user')
    const address = { owner, name: turn.random.token(20) }
    const location = `${turn.settings.content.root}/users/${objectPath(address)}`
    const put = { ...request, headers: withoutConditions(request.headers) }
    const { response, outputs } = this.#put(put, exchange, address, user, turn, location)
    return { response: response && { ...response, headers: { ...response.headers, Location: location } }, outputs }
  }

  #get(request: HttpRequest, exchange: string, address: ObjectAddress, user: string, turn: Turn): HandledContent {
    if (!this.#mayRead(address, user, turn)) throw nothingHere()
    const object = objectAt(turn.db, address)
    if (object !== undefined) return { response: this.#given(request, object, turn), outputs: [] }
    const server = isIcon(address) ? undefined : contentServerElsewhere(turn.settings)
    if (server === undefined) throw nothingHere()
    return later(this.#gateway.ask(exchange, { request, address, user }, server, turn))
  }

  #given(request: HttpRequest, object: StoredObject, turn: Turn): HttpResponse {
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
    const shown = presenceShown(address.presentity, [watcher ?? address.presentity], turn)
    if (shown === undefined || versionOf(shown) !== address.version) throw nothingHere()
    return given(request, { tag: `"${address.version}"`, type: pidfContentType, bytes: () => shown }, turn)
  }

  /** Whether the owner's rules as they stand show a watcher a reference to an object (CS-12, XDM-63). */
  isShown(watcher: readonly string[], address: ObjectAddress, turn: Turn): boolean {
    const { presenceShown, userOf } = this.#options
    const shown = presenceShown(address.owner, watcher, turn)
    return shown !== undefined && refersTo(shown, turn.settings, address, userOf)
  }

  /** CS-12: the owner, and who is shown a reference to it now; of the rest nobody learns that it is there. */
  #mayRead(address: ObjectAddress, user: string, turn: Turn): boolean {
    return user === address.owner || this.isShown([user], address, turn)
  }

  #put(
    request: HttpRequest,
    exchange: string,
    address: ObjectAddress,
    user: string,
    turn: Turn,
    location?: string,
  ): HandledContent {
    if (user !== address.owner) throw forbidden('These are the objects of another user')
    const server = contentServerElsewhere(turn.settings)
    if (server === undefined) return this.#putHere(request, address, turn)
    requireWhole(request)
    requireGood(request.headers['content-type'] ?? '', request.body, turn)
    return later(this.#gateway.ask(exchange, { request, address, user, location }, server, turn))
  }

  #putHere(request: HttpRequest, address: ObjectAddress, turn: Turn): HandledContent {
    requireWhole(request)
    const stored = objectAt(turn.db, address)
    checkConditions(request, stored && entityTagOf(stored))
    const type = request.headers['content-type'] ?? ''
    const outputs = keep(address, type, request.body, turn)
    const headers = { ETag: entityTagOf(objectAt(turn.db, address)!) }
    return { response: { status: stored === undefined ? 201 : 200, headers, body: undefined }, outputs }
  }

  #delete(request: HttpRequest, exchange: string, address: ObjectAddress, user: string, turn: Turn): HandledContent {
    if (user !== address.owner) throw forbidden('These are the objects of another user')
    const server = contentServerElsewhere(turn.settings)
    if (server === undefined || objectAt(turn.db, address) !== undefined)
      return this.#deleteHere(request, address, turn)
    return later(this.#gateway.ask(exchange, { request, address, user }, server, turn))
  }

  #deleteHere(request: HttpRequest, address: ObjectAddress, turn: Turn): HandledContent {
    const stored = objectAt(turn.db, address)
    if (stored === undefined) throw nothingHere()
    checkConditions(request, entityTagOf(stored))
    deleteObject(turn.db, address)
    return { response: { status: 200, headers: {}, body: undefined }, outputs: [] }
  }
}

function later(outputs: readonly Output[]): HandledContent {
  return { response: undefined, outputs }
}

/** What a request is for: `users` or `views`, and the path below. */
function placeOf({ target }: HttpRequest, { settings }: Turn): readonly [kind: string, below: string] {
  const { root } = settings.content
  const path = originForm(target)
  if (!path.startsWith(`${root}/`)) throw nothingHere()
  const mark = path.indexOf('?')
  const [, kind = '', ...rest] = path.slice(root.length, mark === -1 ? undefined : mark).split('/')
  return [kind, rest.join('/')]
}

/** Somebody who is no user of this domain, as a Presence Server elsewhere names him. */
function addressElsewhere(identifier: string): string | undefined {
  if (!/^(?:sips?:[^\s@:;?]+@[^\s@;?]+|tel:\+[\d.()-]+)$/i.test(identifier)) return undefined
  try {
    return addressOfRecord(parseUri(identifier))
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

function nameOf(type: string, bytes: Uint8Array, turn: Turn): string {
  return nameOfDigest(type, hash('sha256', bytes, 'hex'), turn)
}

function nameOfDigest(type: string, digest: string, turn: Turn): string {
  return turn.fingerprint('object', type, digest)
}

function withoutConditions({
  'if-match': _match,
  'if-none-match': _noneMatch,
  ...others
}: HttpRequest['headers']): HttpRequest['headers'] {
  return others
}
