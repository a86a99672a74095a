/**
 * Locating SIP servers (RFC 3263 §4 for requests, §5 for responses; SRV order by RFC 2782), without I/O: it says which DNS
 * query it needs and is given the records. Places to try come one at a time, best first, so that names are looked up only
 * when it is their turn.
 */

import { defaultPort, numericAddress, type Transport } from './flow.ts'
import type { SipUri } from './uri.ts'

/** A place a message can be sent to. `serverName` is what the peer's certificate must prove (RFC 5922 §4): the URI's host. */
export type Place = {
  readonly transport: Transport
  readonly address: string
  readonly port: number
  readonly serverName: string
}

export type DnsType = 'A' | 'AAAA' | 'SRV' | 'NAPTR'

export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | {
      readonly type: 'SRV'
      readonly priority: number
      readonly weight: number
      readonly port: number
      readonly target: string
    }
  | {
      readonly type: 'NAPTR'
      readonly order: number
      readonly preference: number
      readonly flags: string
      readonly service: string
      readonly replacement: string
    }

type Server = DnsRecord & { readonly type: 'SRV' }

export type LocateOptions = {
  /** Transports that may be used, preferred first. */
  readonly transports: readonly Transport[]
  /** Address families that may be used, preferred first. */
  readonly families: readonly ('A' | 'AAAA')[]
  /** Whether to ask for NAPTR records; without them SRV is asked at once. */
  readonly naptr: boolean
  /** A whole number in [0, below): chooses among SRV records by weight. */
  readonly below: (below: number) => number
}

export type LocateStep =
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'query'; readonly name: string; readonly type: DnsType }
  | { readonly kind: 'exhausted' }

type Task =
  | { readonly kind: 'place'; readonly place: Place }
  | { readonly kind: 'naptr'; readonly name: string }
  | { readonly kind: 'srv'; readonly name: string; readonly transport: Transport }
  | {
      readonly kind: 'addresses'
      readonly name: string
      readonly type: 'A' | 'AAAA'
      readonly transport: Transport
      readonly port: number
    }
  /** Looks the host itself up, unless NAPTR or SRV records have said where its servers are. */
  | { readonly kind: 'host'; readonly transport: Transport }

/** SRV records of one answer that are looked at, and addresses of one name: a longer answer is cut. */
const mostRecords = 16

const exhausted: LocateStep = { kind: 'exhausted' }

export class Locating {
  readonly #options: LocateOptions
  readonly #host: string
  readonly #secure: boolean
  /** What is still to be done, next first. */
  #tasks: Task[] = []
  /** True once service records were found: the host's own addresses then count no more (§4.2). */
  #hasServices = false

  private constructor(options: LocateOptions, host: string, secure: boolean) {
    this.#options = options
    this.#host = host
    this.#secure = secure
  }

  /**
   * Where a request for this URI goes (§4). `secure`: the Request-URI is a SIPS URI, so that every hop is TLS whatever this
   * URI says (RFC 3261 §8.1.2).
   */
  static request(uri: SipUri, secure: boolean, options: LocateOptions): Locating {
    const target = uri.params.get('maddr') || uri.host
    const locating = new Locating(options, target, secure || uri.scheme === 'sips')
    const wanted = uri.params.get('transport')?.toLowerCase()
    locating.#begin(wanted, uri.port)
    return locating
  }

  /** Where a response goes whose own way has failed (§5): by the sent-by and the transport of its topmost Via. */
  static response(host: string, port: number | undefined, transport: Transport, options: LocateOptions): Locating {
    const locating = new Locating(options, host, transport === 'tls')
    locating.#begin(transport, port)
    return locating
  }

  /** The next place to try, or the query whose answer is needed first. */
  next(): LocateStep {
    for (let task = this.#tasks[0]; task; task = this.#tasks[0]) {
      switch (task.kind) {
        case 'place':
          this.#tasks.shift()
          return task
        case 'naptr':
          return { kind: 'query', name: task.name, type: 'NAPTR' }
        case 'srv':
          return { kind: 'query', name: task.name, type: 'SRV' }
        case 'addresses':
          return { kind: 'query', name: task.name, type: task.type }
        case 'host':
          this.#tasks.shift()
          if (!this.#hasServices) this.#tasks.unshift(...this.#addresses(this.#host, task.transport, undefined))
      }
    }
    return exhausted
  }

  /** The records that answer the query which `next` returned; undefined or none when there are none. */
  answer(records: readonly DnsRecord[] | undefined): void {
    const task = this.#tasks.shift()
    if (!task) return
    const found = records ?? []
    if (task.kind === 'naptr') this.#tasks.unshift(...this.#servicesOf(found))
    else if (task.kind === 'srv') this.#tasks.unshift(...this.#serversOf(found, task.transport))
    else if (task.kind === 'addresses') this.#tasks.unshift(...this.#placesOf(found, task))
  }

  /** §4.1: the transport, as far as the URI decides it; §4.2: the port. */
  #begin(wanted: string | undefined, port: number | undefined): void {
    const transports = this.#secure ? this.#options.transports.filter(t => t === 'tls') : this.#options.transports
    const asked = wanted === undefined ? undefined : this.#secure && wanted === 'tcp' ? 'tls' : (wanted as Transport)
    if (asked !== undefined && !transports.includes(asked)) return
    // "the client SHOULD use UDP for a SIP URI, and TCP for a SIPS URI"
    const usual = asked ?? (this.#secure ? 'tls' : (transports.find(t => t === 'udp') ?? transports[0]))
    if (usual === undefined || !transports.includes(usual)) return
    const address = numericAddress(this.#host)
    if (address !== undefined) {
      if (!this.#options.families.includes(address.includes(':') ? 'AAAA' : 'A')) return
      const place = { transport: usual, address, port: port ?? defaultPort(usual), serverName: this.#host }
      this.#tasks.push({ kind: 'place', place })
    } else if (port !== undefined) {
      this.#tasks.push(...this.#addresses(this.#host, usual, port))
    } else if (asked !== undefined) {
      this.#tasks.push({ kind: 'srv', name: serviceName(this.#host, asked), transport: asked })
      this.#tasks.push({ kind: 'host', transport: usual })
    } else {
      if (this.#options.naptr) this.#tasks.push({ kind: 'naptr', name: this.#host })
      else this.#tasks.push(...this.#srvOfAll())
      this.#tasks.push({ kind: 'host', transport: usual })
    }
  }

  /** §4.1: the services we can use, best first; without any, SRV queries for the transports we support. */
  #servicesOf(records: readonly DnsRecord[]): Task[] {
    const tasks = records
      .filter(record => record.type === 'NAPTR')
      .filter(record => record.flags.toLowerCase() === 's')
      .sort((a, b) => a.order - b.order || a.preference - b.preference)
      .flatMap((record): Task[] => {
        const transport = naptrTransport(record.service)
        // "a client resolving a SIPS URI MUST discard any services that do not contain "SIPS""
        if (transport === undefined || !this.#options.transports.includes(transport)) return []
        if (this.#secure && transport !== 'tls') return []
        return [{ kind: 'srv', name: record.replacement, transport }]
      })
      .slice(0, mostRecords)
    return tasks.length > 0 ? tasks : this.#srvOfAll()
  }

  #srvOfAll(): Task[] {
    return this.#options.transports
      .filter(transport => !this.#secure || transport === 'tls')
      .map(transport => ({ kind: 'srv', name: serviceName(this.#host, transport), transport }))
  }

  /** RFC 2782 "Usage rules": by priority, within one priority drawn by weight. */
  #serversOf(records: readonly DnsRecord[], transport: Transport): Task[] {
    const servers = records.filter(record => record.type === 'SRV').slice(0, mostRecords)
    if (servers.length === 0) return []
    this.#hasServices = true
    // "If there is precisely one SRV RR, and its Target is "." (the root domain), abort."
    const left = servers.filter(server => server.target !== '.' && server.target !== '')
    left.sort((a, b) => a.priority - b.priority || a.weight - b.weight)
    const tasks: Task[] = []
    while (left.length > 0) {
      const equals = left.filter(server => server.priority === left[0]!.priority)
      const chosen = this.#draw(equals)
      left.splice(left.indexOf(chosen), 1)
      tasks.push(...this.#addresses(withoutFinalDot(chosen.target), transport, chosen.port))
    }
    return tasks
  }

  /** "the RR whose running sum value is the first in the selected order which is greater than or equal to the random number" */
  #draw(servers: readonly Server[]): Server {
    const drawn = this.#options.below(servers.reduce((sum, server) => sum + server.weight, 0) + 1)
    let runningSum = 0
    for (const server of servers) {
      runningSum += server.weight
      if (runningSum >= drawn) return server
    }
    return servers[0]!
  }

  #addresses(name: string, transport: Transport, port: number | undefined): Task[] {
    const at = port ?? defaultPort(transport)
    return this.#options.families.map(type => ({ kind: 'addresses', name, type, transport, port: at }))
  }

  #placesOf(records: readonly DnsRecord[], task: Task & { kind: 'addresses' }): Task[] {
    const places: Task[] = []
    for (const record of records) {
      if (record.type !== task.type || places.length === mostRecords) continue
      const { transport, port } = task
      places.push({ kind: 'place', place: { transport, address: record.address, port, serverName: this.#host } })
    }
    return places
  }
}

/** `_sip._udp.example.com`; TLS is `_sips._tcp` (§4.2). */
function serviceName(host: string, transport: Transport): string {
  return transport === 'tls' ? `_sips._tcp.${host}` : `_sip._${transport}.${host}`
}

/** The transport of a NAPTR service (§4.1), undefined for one we do not know. */
function naptrTransport(service: string): Transport | undefined {
  switch (service.toUpperCase()) {
    case 'SIP+D2U':
      return 'udp'
    case 'SIP+D2T':
      return 'tcp'
    case 'SIPS+D2T':
      return 'tls'
    default:
      return undefined
  }
}

function withoutFinalDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
