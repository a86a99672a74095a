/** Every way in and out for SIP: what the settings say is opened, and what the stack asks for is done. */

import type { StackOutput } from '../protocols/sip/stack.ts'
import { type ListeningAddress, listeningAddresses } from '../settings/addresses.ts'
import type { Settings } from '../settings/table.ts'
import type { Random } from '../turn.ts'
import { ownAddresses } from './credentials.ts'
import { type ConnectionLimits, Connections } from './transport/connections.ts'
import { Dns } from './transport/dns.ts'
import { connectTcp, TcpListener } from './transport/tcp.ts'
import { type Credentials, connectTls, TlsListener } from './transport/tls.ts'
import { hostAndPort, newTransportCounters, type TransportUser } from './transport/transport.ts'
import { openUdp, type UdpTransport } from './transport/udp.ts'

export type Transmit = Extract<StackOutput, { kind: 'send' | 'connect' | 'close' | 'resolve' }>

export interface TransportLimits extends ConnectionLimits {
  readonly udpReceiveBufferOctets: number
  readonly udpFlowsRemembered: number
  readonly dnsQuestions: number
}

/** Where the box listens and what it tells peers about that. */
export interface Listening {
  readonly transport: 'udp' | 'tcp' | 'tls'
  readonly address: string
  readonly port: number
  readonly advertisedHost: string
}

/** An address that cannot be listened on; the message is one clear line. */
class ListenError extends Error {
  override readonly name = 'ListenError'
}

export class Transports {
  readonly counters = newTransportCounters()
  readonly listening: Listening[] = []
  readonly connections: Connections
  readonly #user: TransportUser
  readonly #limits: TransportLimits
  readonly #udp: UdpTransport[] = []
  readonly #tcp: TcpListener[] = []
  readonly #tls: TlsListener[] = []
  readonly #dns: Dns
  #credentials: Credentials

  constructor(options: {
    limits: TransportLimits
    random: Random
    credentials: Credentials
    user: TransportUser
  }) {
    this.#user = options.user
    this.#limits = options.limits
    this.#credentials = options.credentials
    this.connections = new Connections({ ...options, counters: this.counters })
    this.#dns = new Dns(options.limits.dnsQuestions, (query, records) => options.user.resolved(query, records))
  }

  /** Opens what the settings name. Rejects with ListenError at the first that cannot be; `close` undoes the others. */
  async open({ sip }: Settings): Promise<void> {
    for (const where of listeningAddresses(sip.udp) ?? []) {
      const udp = await this.#opening('udp', where, () =>
        openUdp(
          {
            ...where,
            receiveBufferOctets: this.#limits.udpReceiveBufferOctets,
            flowsRemembered: this.#limits.udpFlowsRemembered,
            counters: this.counters,
          },
          this.#user,
        ),
      )
      this.#udp.push(udp)
      this.#note('udp', udp, sip.advertisedHost)
    }
    for (const where of listeningAddresses(sip.tcp) ?? []) {
      const tcp = await this.#opening('tcp', where, () => TcpListener.open(where.address, where.port, this.connections))
      this.#tcp.push(tcp)
      this.#note('tcp', tcp, sip.advertisedHost)
    }
    for (const where of listeningAddresses(sip.tls) ?? []) {
      const tls = await this.#opening('tls', where, () =>
        TlsListener.open(where.address, where.port, this.#credentials, this.connections),
      )
      this.#tls.push(tls)
      this.#note('tls', tls, sip.advertisedHost)
    }
  }

  /** Does what the stack asks for; datagrams may wait for `flush`. */
  transmit(output: Transmit): void {
    switch (output.kind) {
      case 'send':
        this.#send(output.flow, output.bytes)
        break
      case 'connect':
        if (output.transport === 'tcp') connectTcp(this.connections, output.connection, output.address, output.port)
        else {
          const { connection, address, port, serverName } = output
          connectTls(this.connections, connection, address, port, serverName, this.#credentials)
        }
        break
      case 'close':
        this.connections.close(output.flow)
        break
      case 'resolve':
        this.#dns.resolve(output)
    }
  }

  /** Lets all datagrams leave. */
  flush(): void {
    for (const udp of this.#udp) udp.flush()
  }

  /** New handshakes use these. Throws when they cannot be used. */
  renew(credentials: Credentials): void {
    for (const listener of this.#tls) listener.renew(credentials)
    this.#credentials = credentials
  }

  /** Takes nothing new; what stands goes on. */
  closeListeners(): void {
    for (const listener of [...this.#tcp, ...this.#tls]) listener.close()
  }

  async close(): Promise<void> {
    this.closeListeners()
    this.#dns.close()
    this.connections.closeAll()
    await Promise.all(this.#udp.map(udp => udp.close()))
  }

  #send(flow: string, bytes: Buffer): void {
    if (!flow.startsWith('udp:')) this.connections.send(flow, bytes)
    else {
      const udp = this.#udp.find(udp => udp.owns(flow))
      // The box listened elsewhere when the name was stored.
      if (udp === undefined) setImmediate(() => this.#user.disconnected(flow, 'no such socket'))
      else udp.send(flow, bytes)
    }
  }

  async #opening<T>(transport: string, { address, port }: ListeningAddress, open: () => Promise<T>): Promise<T> {
    try {
      return await open()
    } catch (error) {
      throw listenError(transport, { address, port }, `sip.${transport}`, error)
    }
  }

  #note(transport: Listening['transport'], { address, port }: ListeningAddress, advertisedHost: string): void {
    const advertised = advertisedHost || (isWildcard(address) ? reachableAddress(address) : address)
    this.listening.push({ transport, address, port, advertisedHost: advertised })
  }
}

/** Why an address cannot be listened on, and which setting says that it should be. */
export function listenError(
  transport: string,
  { address, port }: ListeningAddress,
  setting: string,
  error: unknown,
): Error {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const reason = reasons[code] ?? (error as Error).message
  return new ListenError(
    `cannot listen on ${transport} ${hostAndPort(address, port)}: ${reason}; see 'settings set ${setting}'`,
  )
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use by another program',
  EACCES: 'this user may not use the port',
  EADDRNOTAVAIL: 'this machine does not have the address',
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** The address that others reach this machine by when it listens on all of them. */
function reachableAddress(wildcard: string): string {
  const v6 = wildcard.includes(':')
  return ownAddresses().find(address => address.includes(':') === v6) ?? (v6 ? '::1' : '127.0.0.1')
}
