/**
 * Flows: the path by which a message came or leaves (RFC 5626 §3.1), and their names.
 * A name is plain text that may be stored: a UDP flow is named by its addresses and so outlives a restart of the box,
 * a connection by a serial that never repeats and so never names two connections.
 */

export type Transport = 'udp' | 'tcp' | 'tls'

/** Addresses are plain: no brackets around IPv6, no IPv4-mapped IPv6. */
export type Flow = {
  readonly id: string
  readonly transport: Transport
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  /** For TLS: the SIP domains proven by the peer's certificate (RFC 5922 §7.1); absent when it showed none. */
  readonly peerIdentities?: readonly string[]
}

/** The name of a UDP flow: `udp:127.0.0.1:5060:127.0.0.1:40000`, `udp:[::1]:5060:[::1]:40000`. */
export function udpFlowId(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): string {
  return `${udpFlowPrefix(localAddress, localPort)}${hostOf(remoteAddress)}:${remotePort}`
}

/** What the names of all flows of one UDP socket begin with. */
export function udpFlowPrefix(localAddress: string, localPort: number): string {
  return `udp:${hostOf(localAddress)}:${localPort}:`
}

/** The flow with this name, or undefined when it is not the name of a UDP flow. */
export function udpFlow(id: string): Flow | undefined {
  if (!isUdpFlowId(id)) return undefined
  const local = endpoint(id, 4)
  const remote = local && endpoint(id, local.end + 1)
  if (!remote || remote.end !== id.length) return undefined
  return {
    id,
    transport: 'udp',
    localAddress: local.address,
    localPort: local.port,
    remoteAddress: remote.address,
    remotePort: remote.port,
  }
}

export function isUdpFlowId(id: string): boolean {
  return id.startsWith('udp:')
}

/**
 * The name of a connection: `tcp:12:k3f9x0`. `serial` counts the connections of this run; `run` is a token drawn once
 * per run, so that a name stored before a restart matches nothing after it.
 */
export function connectionFlowId(transport: 'tcp' | 'tls', serial: number, run: string): string {
  return `${transport}:${serial}:${run}`
}

/** An address as it stands in a URI, a Via or a flow's name: IPv6 in brackets. */
export function hostOf(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

/** The plain address of a host that is numeric (`[::1]` gives `::1`), undefined for a name. */
export function numericAddress(host: string): string | undefined {
  if (host.charCodeAt(0) === 0x5b) return host.endsWith(']') ? host.slice(1, -1) : undefined
  if (host.includes(':')) return host
  return isIpv4(host) ? host : undefined
}

/** True for a dotted quad with each part at most 255. */
function isIpv4(host: string): boolean {
  let parts = 1
  let digits = 0
  let value = 0
  for (let i = 0; i < host.length; i++) {
    const code = host.charCodeAt(i)
    if (code === 0x2e) {
      if (digits === 0) return false
      parts++
      digits = 0
      value = 0
    } else {
      if (code < 0x30 || code > 0x39) return false
      value = value * 10 + code - 0x30
      if (++digits > 3 || value > 255) return false
    }
  }
  return parts === 4 && digits > 0
}

/** 5060, or 5061 for TLS (RFC 3261 §18.1.1). */
export function defaultPort(transport: Transport): number {
  return transport === 'tls' ? 5061 : 5060
}

/** Reads `address:port` of a flow's name. */
function endpoint(id: string, start: number): { address: string; port: number; end: number } | undefined {
  const bracketed = id.charCodeAt(start) === 0x5b
  const close = bracketed ? id.indexOf(']', start) : id.indexOf(':', start) - 1
  if (close < start) return undefined
  const address = bracketed ? id.slice(start + 1, close) : id.slice(start, close + 1)
  let end = close + 2
  let port = 0
  while (end < id.length && id.charCodeAt(end) !== 0x3a) {
    const digit = id.charCodeAt(end++) - 0x30
    if (digit < 0 || digit > 9) return undefined
    port = port * 10 + digit
  }
  return address !== '' && port > 0 && port < 65536 ? { address, port, end } : undefined
}
