/**
 * A Content Server elsewhere (PRS-15, RP-33): objects of our users are stored there and fetched from there for whoever may have
 * them. Who that is stays decided here, when he asks and again when the answer comes, so that rules count at once.
 */

import { hash } from 'node:crypto'
import { limits } from '../../limits.ts'
import { assertedIdentity } from '../../protocols/http/asserted-identity.ts'
import { checkConditions } from '../../protocols/http/conditions.ts'
import { HttpRefusal, refusalResponse, serviceUnavailable } from '../../protocols/http/errors.ts'
import {
  type HttpAnswer,
  type HttpRequest,
  type HttpResponse,
  mediaType,
  type OutgoingHttpRequest,
} from '../../protocols/http/message.ts'
import type { RemoteServer } from '../../settings/other-servers.ts'
import type { Settings } from '../../settings/table.ts'
import { type Output, type Transaction, type Turn, table } from '../../turn.ts'
import { alwaysSaid, given, nothingHere } from './given.ts'
import { look } from './keep.ts'
import { isOfType, mediaKind } from './media-type.ts'
import { deleteObject, type ObjectAddress } from './objects.ts'
import { objectPath } from './uri.ts'

/** Objects that this box has stored elsewhere, with the server's URI: keyed [owner, name]. */
const objects = table<string>('content-remote-objects', 'soft')

/** Where objects are kept, when not in this box. */
export function contentServerElsewhere({ prs15 }: Settings): RemoteServer | undefined {
  return prs15.root === '' ? undefined : prs15
}

/** Whether this box has stored an object elsewhere, and there is now. */
export function isElsewhere(db: Transaction, { owner, name }: ObjectAddress): boolean {
  return db.get(objects, [owner, name]) !== undefined
}

/** An object has been stored: from now on it is looked at now and then. */
export function storedElsewhere(address: ObjectAddress, { root }: RemoteServer, turn: Turn): Output[] {
  const key = [address.owner, address.name]
  const known = turn.db.get(objects, key)
  if (known !== root) turn.db.put(objects, key, root)
  return known === undefined ? [look(address, turn)] : []
}

/** The request that stores an object; `headers` besides. */
export function putRequest(
  address: ObjectAddress,
  { type, bytes }: { readonly type: string; readonly bytes: Uint8Array },
  server: RemoteServer,
  turn: Turn,
  headers: Readonly<Record<string, string>> = {},
): OutgoingHttpRequest {
  return { ...outgoing('PUT', address, server, turn, { 'Content-Type': type, ...headers }), body: bytes }
}

/** The request that fetches an object. */
export function getRequest(address: ObjectAddress, server: RemoteServer, turn: Turn): OutgoingHttpRequest {
  return outgoing('GET', address, server, turn, {})
}

/** A client's request that waits for the server. A restart forgets it with the connection it came by. */
interface Waiting {
  readonly request: HttpRequest
  readonly address: ObjectAddress
  readonly user: string
  /** Of an object that has been given its name here. */
  readonly location?: string | undefined
}

export class Gateway {
  readonly #mayRead: (address: ObjectAddress, user: string, turn: Turn) => boolean
  /** By exchange. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(mayRead: (address: ObjectAddress, user: string, turn: Turn) => boolean) {
    this.#mayRead = mayRead
  }

  /**
   * Sends a request on whose sender may make it, and whose object is good. Throws 508 when it has been here before, 503 when too
   * many wait.
   */
  ask(exchange: string, waiting: Waiting, server: RemoteServer, turn: Turn): Output[] {
    const { request, address } = waiting
    const { headers } = request
    if (headers.via?.split(',').some(hop => hop.trim().split(/\s+/)[1] === turn.settings.domain))
      throw new HttpRefusal(508, 'prs15.root leads back to this box')
    if (this.#waiting.size >= limits.content.requestsWaiting) throw serviceUnavailable(1)
    const conditions: Record<string, string> = {}
    if (headers['if-none-match'] !== undefined) conditions['If-None-Match'] = headers['if-none-match']
    if (headers['if-match'] !== undefined) conditions['If-Match'] = headers['if-match']
    const isReading = request.method === 'GET' || request.method === 'HEAD'
    // Ranges are cut here, out of an object that has been looked at; a HEAD is answered with the length of what GET has.
    const sent = isReading
      ? outgoing('GET', address, server, turn, headers['if-match'] === undefined ? conditions : {})
      : request.method === 'DELETE'
        ? outgoing('DELETE', address, server, turn, conditions)
        : putRequest(
            address,
            { type: headers['content-type'] ?? '', bytes: request.body },
            server,
            turn,
            waiting.location === undefined ? conditions : {},
          )
    // The object itself is on its way, and need not wait here too.
    this.#waiting.set(exchange, { ...waiting, request: { ...request, body: nothing } })
    return [{ kind: 'http', token: `ask ${exchange}`, request: sent }]
  }

  /** What the server says to a request of a client, or of this box about an object that is looked at. */
  httpResponse(token: string, answer: HttpAnswer, turn: Turn): Output[] {
    const [kind, ...words] = token.split(' ')
    const outputs = troubleOf(answer, turn)
    if (kind !== 'ask') {
      const [owner = '', name = ''] = words.map(decodeURIComponent)
      const isGone = answer.status === 404 || answer.status === 410 || (kind === 'drop' && isDone(answer))
      if (isGone) turn.db.delete(objects, [owner, name])
      return outputs
    }
    const [exchange = ''] = words
    const waiting = this.#waiting.get(exchange)
    if (waiting === undefined) return outputs
    this.#waiting.delete(exchange)
    try {
      outputs.push({ kind: 'answer', exchange, response: this.#response(waiting, answer, outputs, turn) })
    } catch (error) {
      if (!(error instanceof HttpRefusal)) throw error
      outputs.push({ kind: 'answer', exchange, response: refusalResponse(error) })
    }
    return outputs
  }

  /** An object is looked at: the server is told that it is in use, or that it is not any more (CS-13). */
  look(address: ObjectAddress, isNamed: boolean, turn: Turn): Output[] {
    const key = [address.owner, address.name]
    const root = turn.db.get(objects, key)
    if (root === undefined) return []
    const server = contentServerElsewhere(turn.settings)
    if (server?.root !== root) {
      // The operator has taken this server away: what it keeps for how long is its own to say.
      turn.db.delete(objects, key)
      return []
    }
    const [method, kind] = isNamed ? ['HEAD', 'keep'] : ['DELETE', 'drop']
    const token = `${kind} ${encodeURIComponent(address.owner)} ${encodeURIComponent(address.name)}`
    // What could not be deleted is tried again at the next look.
    return [look(address, turn), { kind: 'http', token, request: outgoing(method!, address, server, turn, {}) }]
  }

  #response(waiting: Waiting, answer: HttpAnswer, outputs: Output[], turn: Turn): HttpResponse {
    const { request, address, user, location } = waiting
    const server = contentServerElsewhere(turn.settings)
    const { status, headers } = answer
    const tag = headers.etag === undefined ? {} : { ETag: headers.etag }
    if (request.method === 'GET' || request.method === 'HEAD') return this.#object(request, address, user, answer, turn)
    if (status === 404 || status === 410) throw nothingHere()
    if (status === 412 || status === 413 || status === 415 || status === 507)
      throw new HttpRefusal(status, 'The server of this object has refused it', { headers: tag })
    if (!isDone(answer)) throw unavailable(answer)
    if (request.method === 'DELETE') {
      turn.db.delete(objects, [address.owner, address.name])
      return { status: 200, headers: {}, body: undefined }
    }
    if (server !== undefined) outputs.push(...storedElsewhere(address, server, turn))
    // One of before, when objects were kept here.
    deleteObject(turn.db, address)
    const made = status === 201 || location !== undefined
    const where = location === undefined ? {} : { Location: location }
    return { status: made ? 201 : 200, headers: { ...tag, ...where }, body: undefined }
  }

  #object(request: HttpRequest, address: ObjectAddress, user: string, answer: HttpAnswer, turn: Turn): HttpResponse {
    const { status, headers, body } = answer
    if (status === 404 || status === 410 || !this.#mayRead(address, user, turn)) throw nothingHere()
    if (status === 304 && headers.etag !== undefined) {
      checkConditions(request, headers.etag)
      return { status, headers: { ETag: headers.etag, ...alwaysSaid }, body: undefined }
    }
    if (status !== 200) throw unavailable(answer)
    const type = headers['content-type'] ?? ''
    // CS-14: whoever keeps it, nothing comes to a watcher under a false name.
    const isTaken = turn.settings.content.types.split(',').includes(mediaType(type))
    if (!isTaken || !isOfType(mediaType(type), mediaKind(body)))
      throw new HttpRefusal(502, 'The server of this object has given something else')
    const tag = headers.etag ?? `"${hash('sha256', body, 'hex').slice(0, 24)}"`
    return given(request, { tag, type, bytes: () => body }, turn)
  }
}

/** What is said of the user, and by which way, is what one network element tells another (AP-02, RFC 9110 §7.6.3). */
function outgoing(
  method: string,
  address: ObjectAddress,
  { root, username, password }: RemoteServer,
  { settings }: Turn,
  headers: Readonly<Record<string, string>>,
): OutgoingHttpRequest {
  return {
    method,
    uri: `${root}/users/${objectPath(address)}`,
    headers: { ...assertedIdentity(address.owner), Via: `1.1 ${settings.domain}`, ...headers },
    credentials: username === '' ? undefined : { username, password },
    bodyOctets: settings.content.objectOctets,
  }
}

const nothing = new Uint8Array(0)

function isDone({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300
}

/** That the server does not let us in, or is not there, is our fault and not the client's (RFC 9110 §15.6). */
function unavailable({ status, failure }: HttpAnswer): HttpRefusal {
  return failure === undefined
    ? new HttpRefusal(502, `The server of this object has answered ${status}`)
    : new HttpRefusal(status, `The server of this object: ${failure}`)
}

/** Tells the operator of a server that does not answer, or does not let us in; and that it does again. */
export function troubleOf({ status, failure }: HttpAnswer, { settings }: Turn): Output[] {
  const server = contentServerElsewhere(settings)
  if (server === undefined) return []
  const isWell = failure === undefined && (status < 500 || status === 507) && status !== 401 && status !== 403
  const text = isWell ? undefined : `${server.root}: ${failure ?? `answered ${status}`}`
  return [{ kind: 'alarm', name: 'objects at prs15', text }]
}
