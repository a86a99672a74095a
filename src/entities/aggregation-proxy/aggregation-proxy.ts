/**
 * The Aggregation Proxy (OMA XDM; XDM-3): the one place that clients manage their documents at. It authenticates them, sends
 * each request to the XDMS whose application usage it is about, here or elsewhere (PRS-7, PRS-12, XDM-4), or for users of other
 * domains to the Cross-Network Proxy (XDM-8), and answers itself for what is about all of them.
 */

import { type AssertedSender, assertedSender } from '../../protocols/http/asserted-identity.ts'
import { badRequest, forbidden, HttpRefusal, notFound, refusalResponse } from '../../protocols/http/errors.ts'
import type { HttpAnswer, HttpRequest, HttpResponse } from '../../protocols/http/message.ts'
import { originForm, parseXcapUri, type XcapUri } from '../../protocols/xcap/document-selector.ts'
import type { Entity, Output, Turn } from '../../turn.ts'
import { documentWritten } from '../xdm-client/xdm-client.ts'
import { isOperator } from '../xdms/user-identifier.ts'
import { type Identity, Xdms, type XdmsOptions } from '../xdms/xdms.ts'
import { HttpAdmission } from './authenticate.ts'
import { capabilities } from './capabilities.ts'
import { directory } from './directory.ts'
import { forwarded, relayed } from './forward.ts'
import { type Part, partOf } from './gathering.ts'
import { type RemoteRoot, RemoteRoots } from './remote-roots.ts'

export interface AggregationProxyOptions extends Pick<XdmsOptions, 'userOf' | 'isUser'> {
  /** Seals nonces: at least 128 bits that others cannot guess. */
  readonly secret: string
  readonly servers: readonly Xdms[]
}

/** An answer, unless it leaves later, and what else the turn asks for. */
export interface HandledLater {
  readonly response: HttpResponse | undefined
  readonly outputs: readonly Output[]
}

/** A request that waits for what XDMSs elsewhere say. A restart forgets it with the connection it came by. */
interface Waiting {
  readonly request: HttpRequest
  readonly uri: XcapUri
  readonly identity: Identity
  readonly remotes: readonly RemoteRoot[]
  readonly parts: Part[]
}

export class AggregationProxy implements Entity {
  readonly #admission: HttpAdmission
  readonly #users: Pick<XdmsOptions, 'userOf' | 'isUser'>
  readonly #own: Xdms
  /** By AUID (AP-07); the proxy's own usages among them. */
  readonly #routes: ReadonlyMap<string, Xdms>
  readonly #remotes: RemoteRoots
  /** By exchange. */
  readonly #waiting = new Map<string, Waiting>()
  /** What was gathered for the request that is being answered. */
  #gathered: { readonly request: HttpRequest; readonly parts: readonly Part[] } | undefined

  constructor({ secret, servers, userOf, isUser }: AggregationProxyOptions) {
    this.#admission = new HttpAdmission(secret, userOf)
    this.#users = { userOf, isUser }
    this.#remotes = new RemoteRoots(servers)
    const usages = servers.flatMap(server => [...server.usages.values()])
    const gathered = (request: HttpRequest) => (this.#gathered?.request === request ? this.#gathered.parts : [])
    this.#own = new Xdms({
      name: 'aggregation-proxy',
      usages: [capabilities(usages, gathered), directory(usages, gathered)],
      userOf,
      isUser,
      listeners: [],
    })
    this.#routes = new Map(
      [this.#own, ...servers].flatMap(server => [...server.usages.keys()].map(auid => [auid, server])),
    )
  }

  /** Answers one request, now or later under `exchange`. Throws HttpRefusal, and then nothing has changed. */
  handle(request: HttpRequest, exchange: string, turn: Turn): HandledLater {
    const { root } = turn.settings.xcap
    const path = originForm(request.target)
    if (!path.startsWith(`${root}/`)) throw notFound(`XCAP documents are below ${root}/`)
    const isFromProxy = request.source.listener === 'xdms'
    // Before anything is looked up: who is nobody here learns nothing about who is.
    const asserted = isFromProxy ? this.#asserted(request, turn) : undefined
    const sender = asserted === undefined ? this.#admission.admit(request, turn) : asserted.user
    const uri = parseXcapUri(request.target, root)
    const remote = isFromProxy ? this.#remotes.of(uri.auid, turn.settings) : this.#remoteOf(request, uri, turn)
    const server = this.#routes.get(uri.auid)
    // What another proxy asks for is for the XDMSs of this box: sending it on could send it round.
    if (isFromProxy ? server === undefined || remote !== undefined : server === undefined && remote === undefined)
      throw notFound(`There is no application usage ${uri.auid}`)
    // Nobody is asserted by a proxy for what is everybody's.
    const user = sender ?? (isFromProxy ? '' : this.#users.userOf(uri.xui))
    if (user === undefined && uri.tree === 'users') throw badRequest('Whose documents these are cannot be told')
    if (remote !== undefined) {
      const outgoing = forwarded(request, user, remote, turn)
      const isWriting = request.method === 'PUT' || request.method === 'DELETE'
      const owner = uri.tree === 'users' ? (this.#users.userOf(uri.xui) ?? '') : ''
      const written = isWriting ? ` ${encodeURIComponent(owner)}` : ''
      const token = `forward ${exchange} ${uri.auid}${written}`
      return { response: undefined, outputs: [{ kind: 'http', token, request: outgoing }] }
    }
    const identity: Identity = {
      user: user ?? '',
      identities: asserted?.identities ?? (user === undefined ? [] : [user]),
      isOperator: isOperator(user, turn.settings, this.#users.userOf),
    }
    const isReading = request.method === 'GET' || request.method === 'HEAD'
    if (server === this.#own && isReading && !isFromProxy && this.#remotes.all(turn.settings).length > 0)
      return this.#gather({ request, uri, identity }, exchange, turn)
    return server!.handle(request, uri, identity, turn)
  }

  /** Whom the proxy elsewhere says a request is from. Throws 403 and 400. */
  #asserted(request: HttpRequest, turn: Turn): AssertedSender {
    const { userOf, isUser } = this.#users
    return assertedSender(request, turn.settings.xdms, { userOf, isUser: user => isUser(turn, user) })
  }

  httpResponse(token: string, answer: HttpAnswer, turn: Turn): Output[] {
    const [kind, exchange = '', place = '', owner] = token.split(' ')
    if (kind === 'forward') {
      const response = relayed(answer, this.#remotes.of(place, turn.settings), turn)
      const outputs: Output[] = [{ kind: 'answer', exchange, response }]
      // Who reads the document here need not wait to be notified.
      if (owner !== undefined && answer.status < 300)
        outputs.push(documentWritten(place, decodeURIComponent(owner), turn.now))
      return outputs
    }
    const waiting = this.#waiting.get(exchange)
    if (waiting === undefined) return []
    waiting.parts.push(partOf(waiting.remotes[Number(place)]!, answer))
    if (waiting.parts.length < waiting.remotes.length) return []
    this.#waiting.delete(exchange)
    return [{ kind: 'answer', exchange, response: this.#answerOf(waiting, turn) }]
  }

  wake(): Output[] {
    return []
  }

  /**
   * Where a client's request goes on to: with documents of users of other domains to the Cross-Network Proxy, which fetches and no
   * more (AP-07, RP-22), else to the XDMS of its usage. Throws 403.
   */
  #remoteOf({ method }: HttpRequest, uri: XcapUri, turn: Turn): RemoteRoot | undefined {
    const beyond = this.#remotes.beyond(turn.settings)
    if (beyond === undefined || uri.tree !== 'users' || !this.#isOfOtherDomain(uri.xui, turn))
      return this.#remotes.of(uri.auid, turn.settings)
    if (method !== 'GET' && method !== 'HEAD')
      throw forbidden('Documents of users of other domains can only be fetched')
    return beyond
  }

  #isOfOtherDomain(xui: string, turn: Turn): boolean {
    const user = this.#users.userOf(xui)
    if (/^tel:\+/i.test(xui)) return user === undefined || !this.#users.isUser(turn, user)
    return user === undefined && /^sips?:[^@\s]+@[^@\s]+$/i.test(xui)
  }

  /** AP-08: asks every XDMS elsewhere for its part of the document. */
  #gather(asked: Omit<Waiting, 'remotes' | 'parts'>, exchange: string, turn: Turn): HandledLater {
    const { request, uri, identity } = asked
    const remotes = this.#remotes.all(turn.settings)
    const { document } = uri
    const whole: HttpRequest = { ...request, target: document, headers: { via: request.headers.via } }
    // Whether this sender may have it is found out before others are asked.
    this.#own.handle(whole, { ...uri, node: undefined, query: '' }, identity, turn)
    const outputs = remotes.map((remote, place): Output => {
      const outgoing = forwarded(whole, identity.user || undefined, remote, turn)
      return { kind: 'http', token: `gather ${exchange} ${place}`, request: outgoing }
    })
    this.#waiting.set(exchange, { ...asked, remotes, parts: [] })
    return { response: undefined, outputs }
  }

  #answerOf({ request, uri, identity, parts }: Waiting, turn: Turn): HttpResponse {
    this.#gathered = { request, parts }
    try {
      return this.#own.handle(request, uri, identity, turn).response
    } catch (error) {
      if (error instanceof HttpRefusal) return refusalResponse(error)
      throw error
    } finally {
      this.#gathered = undefined
    }
  }
}
