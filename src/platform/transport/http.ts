/**
 * HTTP/1.1 with and without TLS (RFC 9112): reads requests whole and within bounds, hands them on as values, and writes the
 * answers. Whoever is too large, too slow or too many has a defined answer.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import { gunzip, gzip } from 'node:zlib'
import {
  badRequest,
  contentTooLarge,
  type HttpRefusal,
  refusalResponse,
  serviceUnavailable,
  unsupportedContentCoding,
} from '../../protocols/http/errors.ts'
import type { HttpRequest, HttpResponse } from '../../protocols/http/message.ts'
import type { ListeningAddress } from '../../settings.ts'
import { listen } from './tcp.ts'
import type { Credentials } from './tls.ts'

export interface HttpLimits {
  /** Octets of request line and header fields; 431 beyond. */
  readonly headerOctets: number
  /** Octets of one body, with and without its content coding; 413 beyond. */
  readonly bodyOctets: number
  /** Octets of all bodies that are being read; a request beyond is answered 503. */
  readonly bodiesOctets: number
  /** How long the header may take to arrive; 408 beyond. */
  readonly headerMs: number
  /** How long a whole request may take to arrive; 408 beyond. */
  readonly requestMs: number
  /** How long a connection may be idle between requests; then it is closed. */
  readonly idleMs: number
  /** Connections at once; a further one is closed. */
  readonly connections: number
  /** Connections at once from one address; a further one is closed. */
  readonly connectionsPerAddress: number
  /** Bodies of answers from this size on are compressed for clients that can read them so. */
  readonly gzipFromOctets: number
}

/** Takes one request; `answer` is called once, at any later time. */
export type HttpHandler = (request: HttpRequest, answer: (response: HttpResponse) => void) => void

/** What listeners of both kinds share: the bounds that are over all of them. */
export class HttpService {
  readonly limits: HttpLimits
  readonly #handler: HttpHandler
  readonly #perAddress = new Map<string, number>()
  #connections = 0
  #bodiesOctets = 0

  constructor(limits: HttpLimits, handler: HttpHandler) {
    this.limits = limits
    this.#handler = handler
  }

  /** Counts a connection, or closes it when it is one too many. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress
    const fromThere = address === undefined ? 0 : (this.#perAddress.get(address) ?? 0)
    const isTooMany = this.#connections >= this.limits.connections || fromThere >= this.limits.connectionsPerAddress
    if (address === undefined || isTooMany) {
      socket.destroy()
      return
    }
    this.#connections++
    this.#perAddress.set(address, fromThere + 1)
    socket.once('close', () => {
      this.#connections--
      const left = this.#perAddress.get(address)! - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
    })
  }

  /** Reads one request and answers it. */
  serve(message: IncomingMessage, reply: ServerResponse, isSecure: boolean): void {
    const length = Number(message.headers['content-length'] ?? 0)
    const isBodied = length > 0 || message.headers['transfer-encoding'] !== undefined
    if (!isBodied) {
      this.#hand(message, reply, isSecure, noBody)
      return
    }
    if (length > this.limits.bodyOctets) {
      refuse(reply, contentTooLarge(this.limits.bodyOctets))
      return
    }
    const chunks: Buffer[] = []
    let octets = 0
    const release = (): void => {
      this.#bodiesOctets -= octets
      octets = 0
    }
    const onData = (chunk: Buffer): void => {
      octets += chunk.length
      this.#bodiesOctets += chunk.length
      if (octets > this.limits.bodyOctets) stop(contentTooLarge(this.limits.bodyOctets))
      else if (this.#bodiesOctets > this.limits.bodiesOctets) stop(serviceUnavailable(5))
      else chunks.push(chunk)
    }
    const stop = (refusal: HttpRefusal): void => {
      message.off('data', onData)
      message.off('end', onEnd)
      message.off('close', release)
      release()
      chunks.length = 0
      refuse(reply, refusal)
    }
    const onEnd = (): void => {
      message.off('close', release)
      release()
      const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      this.#decode(message, reply, isSecure, body)
    }
    message.on('data', onData)
    message.once('end', onEnd)
    message.once('close', release)
  }

  #decode(message: IncomingMessage, reply: ServerResponse, isSecure: boolean, body: Buffer): void {
    const coding = message.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
    if (coding === 'identity') this.#hand(message, reply, isSecure, body)
    else if (coding !== 'gzip' && coding !== 'x-gzip') refuse(reply, unsupportedContentCoding('gzip'))
    else
      gunzip(body, { maxOutputLength: this.limits.bodyOctets }, (error, plain) => {
        if (error === null) this.#hand(message, reply, isSecure, plain)
        else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
          refuse(reply, contentTooLarge(this.limits.bodyOctets))
        else refuse(reply, badRequest('The body is not gzip'))
      })
  }

  #hand(message: IncomingMessage, reply: ServerResponse, isSecure: boolean, body: Uint8Array): void {
    const request: HttpRequest = {
      method: message.method!,
      target: message.url!,
      headers: message.headers as HttpRequest['headers'],
      body,
      source: { address: message.socket.remoteAddress ?? '', isSecure },
    }
    this.#handler(request, response => {
      if (reply.destroyed) return
      const { body: answer } = response
      if (answer === undefined || answer.length < this.limits.gzipFromOctets || !takesGzip(message)) {
        write(reply, response)
        return
      }
      // The entity-tag is the document's: a client sends it back in If-Match, however it has received the document.
      const headers = { ...response.headers, Vary: 'Accept-Encoding' }
      gzip(answer, (error, packed) => {
        if (error !== null) write(reply, response)
        else write(reply, { ...response, headers: { ...headers, 'Content-Encoding': 'gzip' }, body: packed })
      })
    })
  }
}

export class HttpListener {
  readonly address: string
  readonly port: number
  readonly #server: Server

  private constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
    this.port = (server.address() as { port: number }).port
  }

  /** Listens, over TLS if there are `credentials`; rejects with the system's error. */
  static async open(
    { address, port }: ListeningAddress,
    service: HttpService,
    credentials?: Credentials,
  ): Promise<HttpListener> {
    const { limits } = service
    const options = {
      maxHeaderSize: limits.headerOctets,
      headersTimeout: limits.headerMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(5_000, limits.headerMs),
      noDelay: true,
    }
    const isSecure = credentials !== undefined
    const answer = (message: IncomingMessage, reply: ServerResponse): void => service.serve(message, reply, isSecure)
    const server = isSecure
      ? (createSecureServer(
          { ...options, ...contextOf(credentials), handshakeTimeout: limits.headerMs },
          answer,
        ) as Server)
      : createServer(options, answer)
    server.on('connection', socket => {
      socket.on('error', () => {})
      service.admit(socket)
    })
    // What cannot be served is refused before the client sends it.
    server.on('checkContinue', (message: IncomingMessage, reply: ServerResponse) => {
      if (Number(message.headers['content-length'] ?? 0) <= limits.bodyOctets) reply.writeContinue()
      answer(message, reply)
    })
    await listen(server, address, port)
    return new HttpListener(server, address)
  }

  /** Handshakes from now on use these. Throws when they cannot be used. */
  renew(credentials: Credentials): void {
    if ('setSecureContext' in this.#server)
      (this.#server as unknown as { setSecureContext(options: object): void }).setSecureContext(contextOf(credentials))
  }

  /** Takes nothing new. */
  close(): void {
    this.#server.close()
  }

  /** Cuts off whoever is still there. */
  closeAll(): void {
    this.#server.closeAllConnections()
  }
}

const noBody = new Uint8Array(0)

function contextOf({ certificate, key }: Credentials) {
  return { cert: certificate, key, minVersion: 'TLSv1.2' as const }
}

/** RFC 9110 §12.5.3: gzip by name or by `*`, and not with weight 0. */
function takesGzip(message: IncomingMessage): boolean {
  const accepted = message.headers['accept-encoding']
  if (typeof accepted !== 'string') return false
  return accepted.split(',').some(part => {
    const [coding = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase())
    return (coding === 'gzip' || coding === '*') && !parameters.some(text => /^q=0(?:\.0*)?$/.test(text))
  })
}

/** A refusal of a request whose body is not read to its end: the connection cannot be used again. */
function refuse(reply: ServerResponse, refusal: HttpRefusal): void {
  reply.shouldKeepAlive = false
  write(reply, refusalResponse(refusal))
}

function write(reply: ServerResponse, { status, headers, body }: HttpResponse): void {
  const fields: Record<string, string | number | string[]> = { ...(headers as Record<string, string | string[]>) }
  if (status !== 304 && status !== 204) fields['Content-Length'] = body?.length ?? 0
  reply.writeHead(status, fields)
  if (body === undefined) reply.end()
  else reply.end(body)
}
