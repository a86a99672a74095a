/** SIP over TLS (RFC 3261 §26.2.1, RFC 5922), version 1.2 or later: listens, opens connections, takes new certificates while it runs. */

import { isIP } from 'node:net'
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  createServer,
  rootCertificates,
  type SecureContext,
  type Server,
} from 'node:tls'
import type { Connections } from './connections.ts'
import { listen } from './tcp.ts'

export interface Credentials {
  /** Certificate chain, PEM. */
  readonly certificate: string
  /** Private key, PEM. */
  readonly key: string
  /** Authorities trusted beside the public ones when we connect to others, PEM. */
  readonly authorities?: string | undefined
}

export class TlsListener {
  readonly address: string
  readonly port: number
  readonly #server: Server

  private constructor(server: Server, address: string) {
    this.#server = server
    this.address = address
    this.port = (server.address() as { port: number }).port
  }

  /** Listens; rejects with the system's error, throws when certificate and key cannot be used. */
  static async open(
    address: string,
    port: number,
    credentials: Credentials,
    connections: Connections,
  ): Promise<TlsListener> {
    const server = createServer(
      { ...contextOf(credentials), handshakeTimeout: connections.limits.connectMs, noDelay: true },
      socket => connections.adopt(socket, 'tls'),
    )
    // Counted from the first octet on, so that unfinished handshakes are under the limit too.
    server.on('connection', socket => {
      socket.on('error', () => {})
      connections.admit(socket)
    })
    server.on('tlsClientError', (_error, socket) => {
      connections.counters.tlsHandshakeErrors++
      socket.destroy()
    })
    await listen(server, address, port)
    return new TlsListener(server, address)
  }

  /** Handshakes from now on use these; standing connections go on. Throws when they cannot be used. */
  renew(credentials: Credentials): void {
    this.#server.setSecureContext(contextOf(credentials))
  }

  close(): void {
    this.#server.close()
  }
}

/**
 * Opens a connection to `address`, whose certificate must name `serverName` (RFC 5922 §7.2); the box shows its own when
 * asked. The user hears `connected` or `disconnected` under the name `connection`.
 */
export function connectTls(
  connections: Connections,
  connection: string,
  address: string,
  port: number,
  serverName: string,
  credentials: Credentials,
): void {
  const socket = connect({
    secureContext: clientContext(credentials),
    host: address,
    port,
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    checkServerIdentity: (host, certificate) => {
      const identities = sipIdentities(certificate.subjectaltname)
      if (isIP(serverName) !== 0) return checkServerIdentity(host, certificate)
      return identities.includes(serverName.toLowerCase())
        ? undefined
        : new Error(`the certificate names ${identities.join(', ') || 'nobody'}, not ${serverName}`)
    },
  })
  connections.opening(connection, socket, 'secureConnect', () =>
    connections.adopt(socket, 'tls', sipIdentities(socket.getPeerCertificate().subjectaltname)),
  )
}

/**
 * The SIP domains that a certificate's subjectAltName proves (RFC 5922 §7.1): those of its `sip` URIs, or when it has
 * none, its DNS names. `alternative` is in the form of node:crypto: `DNS:box.example, URI:sip:box.example`.
 */
export function sipIdentities(alternative: string | undefined): string[] {
  const names = (alternative ?? '').split(', ')
  const after = (prefix: string): string[] =>
    names.filter(name => name.startsWith(prefix)).map(name => name.slice(prefix.length).toLowerCase())
  // A URI with a user part names that user, not the domain.
  const domains = after('URI:sip:').filter(domain => !domain.includes('@'))
  return domains.length > 0 ? domains : after('DNS:')
}

/** Made once for each set of credentials: reading the public authorities takes milliseconds. */
const clientContexts = new WeakMap<Credentials, SecureContext>()

/** What we show and whom we trust when we connect to others. */
export function clientContext(credentials: Credentials): SecureContext {
  const known = clientContexts.get(credentials)
  if (known !== undefined) return known
  const { authorities } = credentials
  const context = createSecureContext({
    ...contextOf(credentials),
    ...(authorities === undefined ? {} : { ca: [...rootCertificates, authorities] }),
  })
  clientContexts.set(credentials, context)
  return context
}

function contextOf({ certificate, key }: Credentials) {
  return { cert: certificate, key, minVersion: 'TLSv1.2' as const }
}
