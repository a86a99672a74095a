/**
 * The Aggregation Proxy (OMA XDM; XDM-3): the one place that clients manage their documents at. It authenticates them, sends
 * each request to the XDMS whose application usage it is about, and answers itself for what is about all of them.
 */

import { badRequest, notFound } from '../../protocols/http/errors.ts'
import type { HttpRequest, HttpResponse } from '../../protocols/http/message.ts'
import { originForm, parseXcapUri } from '../../protocols/xcap/document-selector.ts'
import type { Entity, Output, Turn } from '../../turn.ts'
import { Xdms, type XdmsOptions } from '../xdms/xdms.ts'
import { HttpAdmission } from './authenticate.ts'
import { capabilities } from './capabilities.ts'
import { directory } from './directory.ts'

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

export class AggregationProxy implements Entity {
  readonly #admission: HttpAdmission
  readonly #userOf: XdmsOptions['userOf']
  /** By AUID (AP-07); the proxy's own usages among them. */
  readonly #routes: ReadonlyMap<string, Xdms>

  constructor({ secret, servers, userOf, isUser }: AggregationProxyOptions) {
    this.#admission = new HttpAdmission(secret)
    this.#userOf = userOf
    const usages = servers.flatMap(server => [...server.usages.values()])
    const own = new Xdms({
      name: 'aggregation-proxy',
      usages: [capabilities(usages), directory(usages)],
      userOf,
      isUser,
      listeners: [],
    })
    this.#routes = new Map([own, ...servers].flatMap(server => [...server.usages.keys()].map(auid => [auid, server])))
  }

  /** Answers one request, now or later under `exchange`. Throws HttpRefusal, and then nothing has changed. */
  handle(request: HttpRequest, _exchange: string, turn: Turn): HandledLater {
    const { root, operators } = turn.settings.xcap
    const path = originForm(request.target)
    if (!path.startsWith(`${root}/`)) throw notFound(`XCAP documents are below ${root}/`)
    // Before anything is looked up: who is nobody here learns nothing about who is.
    const authenticated = this.#admission.admit(request, turn)
    const uri = parseXcapUri(request.target, root)
    const server = this.#routes.get(uri.auid)
    if (server === undefined) throw notFound(`There is no application usage ${uri.auid}`)
    const user = authenticated ?? this.#userOf(uri.xui)
    if (user === undefined && uri.tree === 'users') throw badRequest('Whose documents these are cannot be told')
    const isOperator = operators !== '' && operators.split(',').some(name => this.#userOf(name.trim()) === user)
    return server.handle(request, uri, { user: user ?? '', isOperator }, turn)
  }

  wake(): Output[] {
    return []
  }
}
