/**
 * What leads to this box: its domain and the addresses it listens on. Proxy and registrar ask it whether a URI is theirs
 * (RFC 3261 §10.3 step 1, §16.4, §16.5), and take from it the URIs by which others come back.
 */

import { addressOfRecord, isSipUri, type SipUri, type Uri } from '../../protocols/sip/uri.ts'

export type Transport = 'udp' | 'tcp' | 'tls'

export interface ListeningPoint {
  readonly transport: Transport
  /** Numeric; IPv6 without brackets. */
  readonly address: string
  readonly port: number
  /** Host that peers are told instead of the address. */
  readonly advertisedHost?: string | undefined
}

export interface HomeOptions {
  readonly domain: string
  readonly listening: readonly ListeningPoint[]
  /** Further addresses of the machine, for listening points that take any. */
  readonly addresses?: readonly string[]
  /** URI parameters by which this box asks for compressed requests (RFC 5049 §9.1); absent when it takes none. */
  readonly compression?: string
}

/** The requests a URI may stand for, seen from this box. */
export type Place = 'box' | 'user' | 'elsewhere'

export class Home {
  readonly domain: string
  readonly #listening: readonly ListeningPoint[]
  readonly #hosts = new Set<string>()
  readonly #ports = new Set<number>()
  readonly #compression: string

  constructor(options: HomeOptions) {
    this.domain = options.domain.toLowerCase()
    this.#listening = options.listening
    this.#compression = options.compression ?? ''
    for (const { address, port, advertisedHost } of options.listening) {
      this.#ports.add(port)
      if (!isWildcard(address)) this.#hosts.add(inUri(address))
      if (advertisedHost) this.#hosts.add(inUri(advertisedHost))
    }
    for (const address of options.addresses ?? []) this.#hosts.add(inUri(address))
  }

  /** Where requests with this Request-URI, or with this topmost Route, are to go: to the box itself, to one of its users, or on. */
  placeOf(uri: Uri): Place {
    if (!isSipUri(uri) || !this.isOurs(uri)) return 'elsewhere'
    return uri.user === undefined ? 'box' : 'user'
  }

  /** Whether a URI's host and port lead here: the domain, or an address with a port we listen on. */
  isOurs(uri: SipUri): boolean {
    if (uri.host === this.domain) return uri.port === undefined || this.#ports.has(uri.port) || isDefaultPort(uri)
    return this.isOurAddress(uri.host, uri.port ?? defaultPort(uri))
  }

  /** Whether this host and port are one of ours, as in the sent-by of a Via we have added. */
  isOurAddress(host: string, port: number): boolean {
    return this.#ports.has(port) && (this.#hosts.has(host) || host === this.domain)
  }

  /** Whether a host is a name or an address of the box, or a name below its domain, whatever the port. */
  isOurHost(host: string): boolean {
    return host === this.domain || host.endsWith(`.${this.domain}`) || this.#hosts.has(host)
  }

  /**
   * The user that a URI of ours stands for, as the key of accounts and registrations (RFC 3261 §10.3 step 5). An address of
   * the box serves as another name of its domain. Undefined when the URI is not ours or names no user.
   */
  userOf(uri: Uri): string | undefined {
    if (!isSipUri(uri) || uri.user === undefined || !this.isOurs(uri)) return undefined
    return addressOfRecord(uri.host === this.domain ? uri : { ...uri, host: this.domain })
  }

  /**
   * The URI, without brackets, that leads back to this box over `transport`, with the loose-routing parameter: for
   * Record-Route, Service-Route and Path (RFC 3261 §16.6 step 4). `isCompressed`: those on that side ask for compression, and
   * are asked for it (RFC 3486 §5).
   */
  routeUri(transport: Transport, user?: string, isCompressed = false): string {
    const point = this.#pointOf(transport)
    const userInfo = user === undefined ? '' : `${user}@`
    const compression = isCompressed ? this.#compression : ''
    if (point === undefined) return `sip:${userInfo}${this.domain};lr${compression}`
    const suffix = point.transport === 'udp' ? '' : `;transport=${point.transport}`
    return `sip:${userInfo}${this.#hostOf(point)}:${point.port}${suffix};lr${compression}`
  }

  /** What a Contact of ours says besides to somebody whose next hop towards us is this URI or name-addr (RFC 3486 §5). */
  contactParameters(nextHop: string): string {
    return /;comp=sigcomp(?![^;>?])/i.test(nextHop) ? this.#compression : ''
  }

  /** Host and port by which this box is reached over a transport, for Contact. */
  hostPort(transport: Transport): string {
    const point = this.#pointOf(transport)
    return point === undefined ? this.domain : `${this.#hostOf(point)}:${point.port}`
  }

  #pointOf(transport: Transport): ListeningPoint | undefined {
    return this.#listening.find(point => point.transport === transport) ?? this.#listening[0]
  }

  #hostOf({ address, advertisedHost }: ListeningPoint): string {
    return inUri(advertisedHost || (isWildcard(address) ? this.domain : address))
  }
}

function isDefaultPort(uri: SipUri): boolean {
  return uri.port === defaultPort(uri)
}

/** RFC 3261 §19.1.2: 5060, or 5061 over TLS. */
function defaultPort(uri: SipUri): number {
  return uri.scheme === 'sips' || uri.params.get('transport')?.toLowerCase() === 'tls' ? 5061 : 5060
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** A host as URIs carry it: lower case, an IPv6 address in brackets. */
function inUri(host: string): string {
  const lower = host.toLowerCase()
  return lower.includes(':') && !lower.startsWith('[') ? `[${lower}]` : lower
}
