/**
 * HTTP/1.1 with and without TLS (RFC 9112): hands on requests as values, and writes the answers. Whoever is too large, too
 * slow or too many has a defined answer.
 */

import { createServer, type Server, type Socket } from 'node:net'
import {
  createServer as createSecureServer,
  rootCertificates,
  type Server as SecureServer,
  type TLSSocket,
} from 'node:tls'
import { gunzip, gzip } from 'node:zlib'
import {
  badRequest,
  contentTooLarge,
  HttpRefusal,
  refusalResponse,
  serviceUnavailable,
  unsupportedContentCoding,
} from '../../protocols/http/errors.ts'
import type { HttpRequest, HttpResponse, HttpSource } from '../../protocols/http/message.ts'
import { HttpReader, type HttpReaderLimits, type ReadRequest } from '../../protocols/http/reader.ts'
import { continueResponse, writeResponse } from '../../protocols/http/writer.ts'
import type { ListeningAddress } from '../../settings/addresses.ts'
import { listen } from './tcp.ts'
import type { Credentials } from './tls.ts'

export interface HttpLimits extends HttpReaderLimits {
  /** Octets of all requests that are being read; a request beyond is answered 503. */
  readonly heldOctets: number
  /** How long a request may take to arrive, from its first octet on; 408 beyond. */
  readonly requestMs: number
  /** How long a connection may be idle before and between requests, and take to close; then it is closed. */
  readonly idleMs: number
  /** Connections at once; a further one is closed. */
  readonly connections: number
  /** Connections at once from one address; a further one is closed. */
  readonly connectionsPerAddress: number
  /** Octets of answers that a peer has not taken; beyond it the connection is closed. */
  readonly backlogOctets: number
  /** Bodies of answers from this size on are compressed for clients that can read them so. */
  readonly gzipFromOctets: number
}

/** Takes one request; `answer` is called once, at any later time. */
export type HttpHandler = (request: HttpRequest, answer: (response: HttpResponse) => void) => void

/** How often deadlines are looked at. */
const lookMs = 1_000
/** How long a peer that was refused may go on sending, so that it reads why. */
const lingerMs = 2_000

/** What listeners of both kinds share: the connections, and the bounds that are over all of them. */
export class HttpService {
  readonly limits: HttpLimits
  readonly handler: HttpHandler
  date = new Date().toUTCString()
  /** Milliseconds of a clock that only goes forward, as of the last look. */
  now = performance.now()
  /** Octets held by all connections. */
  held = 0
  readonly #connections = new Set<HttpConnection>()
  readonly #perAddress = new Map<string, number>()
  #count = 0
  #timer: NodeJS.Timeout | undefined

  constructor(limits: HttpLimits, handler: HttpHandler) {
    this.limits = limits
    this.handler = handler
  }

  /** Counts a connection from its first octet on, handshakes included; false when it is one too many, and then it is closed. */
  admit(socket: Socket): boolean {
    socket.on('error', () => {})
    const address = socket.remoteAddress
    const fromThere = address === undefined ? 0 : (this.#perAddress.get(address) ?? 0)
    const isTooMany = this.#count >= this.limits.connections || fromThere >= this.limits.connectionsPerAddress
    if (address === undefined || isTooMany) {
      socket.destroy()
      return false
    }
    this.#count++
    this.#perAddress.set(address, fromThere + 1)
    socket.once('close', () => {
      this.#count--
      const left = this.#perAddress.get(address)! - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
    })
    return true
  }

  adopt(socket: Socket, source: Omit<HttpSource, 'address'>): void {
    if (this.#timer === undefined) {
      this.#look()
      this.#timer = setInterval(() => this.#look(), lookMs).unref()
    }
    const connection = new HttpConnection(this, socket, { ...source, address: socket.remoteAddress ?? '' })
    this.#connections.add(connection)
    socket.once('close', () => {
      this.#connections.delete(connection)
      connection.closed()
    })
  }

  closeAll(): void {
    for (const { socket } of this.#connections) socket.destroy()
  }

  #look(): void {
    this.now = performance.now()
    this.date = new Date().toUTCString()
    for (const connection of this.#connections) if (connection.deadline <= this.now) connection.late()
    if (this.#connections.size > 0 || this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** One connection: a request at a time, those behind it wait. */
class HttpConnection {
  readonly socket: Socket
  /** When to give it up. */
  deadline: number
  readonly #service: HttpService
  readonly #source: HttpSource
  readonly #reader: HttpReader
  #held = 0
  #state: 'reading' | 'answering' | 'closing' = 'reading'
  #hasEnded = false

  constructor(service: HttpService, socket: Socket, source: HttpSource) {
    this.socket = socket
    this.#service = service
    this.#source = source
    this.#reader = new HttpReader(service.limits)
    this.deadline = service.now + service.limits.idleMs
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', octets => this.#receive(octets as Buffer))
    socket.on('end', () => {
      this.#hasEnded = true
      if (this.#state !== 'answering') socket.end()
    })
  }

  /** Its time is over: within a request it is told so. */
  late(): void {
    if (this.#state === 'reading' && this.#reader.isWithinRequest) this.#refuse(new HttpRefusal(408, 'Too slow'))
    else if (this.#state !== 'answering') this.socket.destroy()
  }

  closed(): void {
    this.#hold(0)
  }

  #receive(octets: Buffer): void {
    if (this.#state === 'closing') return
    if (!this.#reader.isWithinRequest) this.deadline = this.#service.now + this.#service.limits.requestMs
    this.#reader.push(octets)
    if (this.#state === 'reading') this.#read()
    else if (this.#reader.held > this.#service.limits.headerOctets) this.socket.pause()
  }

  #read(): void {
    let request: ReadRequest | undefined
    try {
      request = this.#reader.next()
    } catch (error) {
      this.#refuse(error instanceof HttpRefusal ? error : badRequest('Not understood'))
      return
    }
    if (request !== undefined) {
      this.#hold(0)
      this.#state = 'answering'
      this.#decode(request)
      return
    }
    this.#hold(this.#reader.held)
    if (this.#service.held > this.#service.limits.heldOctets) this.#refuse(serviceUnavailable(5))
    else if (this.#reader.takeContinue()) this.socket.write(continueResponse)
  }

  #decode(request: ReadRequest): void {
    const coding = request.headers['content-encoding']?.toLowerCase() ?? 'identity'
    if (coding === 'identity' || request.body.length === 0) this.#hand(request, request.body)
    else if (coding !== 'gzip' && coding !== 'x-gzip')
      this.#answer(request, refusalResponse(unsupportedContentCoding('gzip')))
    else {
      const { bodyOctets } = this.#service.limits
      gunzip(request.body, { maxOutputLength: bodyOctets }, (error, plain) => {
        if (error === null) this.#hand(request, plain)
        else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
          this.#answer(request, refusalResponse(contentTooLarge(bodyOctets)))
        else this.#answer(request, refusalResponse(badRequest('The body is not gzip')))
      })
    }
  }

  #hand(request: ReadRequest, body: Uint8Array): void {
    const { method, target, headers } = request
    this.#service.handler({ method, target, headers, body, source: this.#source }, response => {
      const answer = response.body
      const accepted = headers['accept-encoding']
      const isCoded =
        answer !== undefined &&
        answer.length >= this.#service.limits.gzipFromOctets &&
        takesGzip(accepted) &&
        !mustStay(response)
      if (!isCoded) {
        this.#answer(request, response)
        return
      }
      // The entity-tag is the document's: a client sends it back in If-Match, however it has received the document.
      const packedHeaders = { ...response.headers, Vary: 'Accept-Encoding', 'Content-Encoding': 'gzip' }
      gzip(answer, (error, packed) =>
        this.#answer(request, error === null ? { ...response, headers: packedHeaders, body: packed } : response),
      )
    })
  }

  #answer({ method, keepsConnection }: ReadRequest, response: HttpResponse): void {
    if (this.socket.destroyed) return
    const keeps = keepsConnection && !this.#hasEnded
    this.#write(response, method === 'HEAD', keeps)
    if (!keeps) {
      this.#close()
      return
    }
    if (this.socket.writableLength > this.#service.limits.backlogOctets) {
      this.socket.destroy()
      return
    }
    this.#state = 'reading'
    const { requestMs, idleMs } = this.#service.limits
    this.deadline = this.#service.now + (this.#reader.isWithinRequest ? requestMs : idleMs)
    if (this.socket.isPaused()) this.socket.resume()
    // What came behind it, in a turn of its own: a peer that sends much is not served before all others.
    if (this.#reader.isWithinRequest) setImmediate(() => this.#state === 'reading' && this.#read())
  }

  /** What follows cannot be understood, or is not wanted: the peer is told why, and no more is read of it. */
  #refuse(refusal: HttpRefusal): void {
    this.#write(refusalResponse(refusal), false, false)
    this.#close()
  }

  #write(response: HttpResponse, isHead: boolean, keepsConnection: boolean): void {
    this.socket.write(writeResponse(response, { date: this.#service.date, isHead, keepsConnection }), 'latin1')
  }

  #close(): void {
    this.#state = 'closing'
    this.#hold(0)
    this.deadline = this.#service.now + lingerMs
    this.socket.end()
  }

  #hold(octets: number): void {
    this.#service.held += octets - this.#held
    this.#held = octets
  }
}

export interface HttpListenerOptions {
  readonly credentials?: Credentials | undefined
  /** The kind of listener that requests are marked with; a listener of a kind asks for certificates. */
  readonly listener?: HttpSource['listener']
}

export class HttpListener {
  readonly address: string
  readonly port: number
  readonly #server: Server
  readonly #asks: boolean

  private constructor(server: Server, address: string, asks: boolean) {
    this.#server = server
    this.#asks = asks
    this.address = address
    this.port = (server.address() as { port: number }).port
  }

  /** Listens, over TLS if there are `credentials`; rejects with the system's error. */
  static async open(
    { address, port }: ListeningAddress,
    service: HttpService,
    options: HttpListenerOptions = {},
  ): Promise<HttpListener> {
    const { credentials, listener } = options
    const server =
      credentials === undefined ? plainServer(service, listener) : secureServer(service, credentials, listener)
    await listen(server, address, port)
    return new HttpListener(server, address, listener !== undefined)
  }

  /** Handshakes from now on use these. Throws when they cannot be used. */
  renew(credentials: Credentials): void {
    const secure = this.#server as SecureServer
    secure.setSecureContext(contextOf(credentials, this.#asks))
  }

  /** Takes nothing new. */
  close(): void {
    this.#server.close()
  }
}

/** A peer that has closed its side still reads its answer. */
const halfOpen = { allowHalfOpen: true, noDelay: true }

function plainServer(service: HttpService, listener: HttpSource['listener']): Server {
  return createServer(halfOpen, socket => {
    if (service.admit(socket)) service.adopt(socket, { isSecure: false, listener })
  })
}

/** With tickets, so that sessions are resumed (AP-05). */
function secureServer(service: HttpService, credentials: Credentials, listener: HttpSource['listener']): Server {
  const asks = listener === undefined ? {} : { requestCert: true, rejectUnauthorized: false }
  const context = contextOf(credentials, listener !== undefined)
  const options = { ...halfOpen, ...context, ...asks, handshakeTimeout: service.limits.requestMs }
  const server = createSecureServer(options, socket => {
    const names = listener !== undefined && socket.authorized ? namesOf(socket) : undefined
    service.adopt(socket, { isSecure: true, listener, names })
  })
  server.on('connection', socket => service.admit(socket))
  server.on('tlsClientError', (_error, socket) => socket.destroy())
  return server
}

/** The host names of a peer's certificate (RFC 6125 §6.4), without patterns. */
function namesOf(socket: TLSSocket): string[] {
  const names = (socket.getPeerCertificate().subjectaltname ?? '').split(', ')
  return names.filter(name => name.startsWith('DNS:')).map(name => name.slice(4).toLowerCase())
}

function contextOf({ certificate, key, authorities }: Credentials, asks: boolean) {
  // Reading the public authorities takes memory that those who ask for no certificate need not spend.
  const trusted = asks && authorities !== undefined ? { ca: [...rootCertificates, authorities] } : {}
  return { cert: certificate, key, minVersion: 'TLSv1.2' as const, ...trusted }
}

/** RFC 9111 §5.2.2.6: whoever has made the answer wants its octets left as they are. */
function mustStay({ headers }: HttpResponse): boolean {
  return String(headers['Cache-Control'] ?? '').includes('no-transform')
}

/** RFC 9110 §12.5.3: gzip by name or by `*`, and not with weight 0. */
function takesGzip(accepted: string | undefined): boolean {
  if (accepted === undefined) return false
  return accepted.split(',').some(part => {
    const [coding = '', ...parameters] = part.split(';').map(text => text.trim().toLowerCase())
    return (coding === 'gzip' || coding === '*') && !parameters.some(text => /^q=0(?:\.0*)?$/.test(text))
  })
}
