/** What `porchlight serve` tells the person who started it. */

import { type AdministrationContext, administer } from '../administration.ts'
import type { HttpListening } from '../platform/http-listeners.ts'
import { hostAndPort } from '../platform/transport/transport.ts'
import type { Listening } from '../platform/transports.ts'
import type { Settings } from '../settings/table.ts'
import type { Instant, Random } from '../turn.ts'

/** Makes two users to try a new box with, unless it has users already. Returns the lines that tell their passwords. */
export function demoUsers(context: AdministrationContext, random: Random, now: Instant): string[] {
  // Not how many: reading them all would leave a new box with many users heavier by a tenth until its next start.
  if ((administer(context, 'user any', {}, now) as { any: boolean }).any) return []
  const lines = ['', 'This is its first start. Two users to try it with:']
  for (const name of ['alice', 'bob']) {
    const password = random.token(12)
    const { aor } = administer(context, 'user add', { address: name, password }, now) as { aor: string }
    lines.push(`  ${aor.padEnd(28)}password ${password}`)
  }
  return lines
}

/** Where the box listens, for a person, and what to try next. */
export function whereAndNext(
  listening: readonly Listening[],
  http: readonly HttpListening[],
  { domain, xcap, content }: Settings,
  data: string,
): string[] {
  const names = { udp: 'SIP over UDP', tcp: 'SIP over TCP', tls: 'SIP over TLS' }
  const reached = (at: Listening): string =>
    at.advertisedHost === at.address ? '' : `  (reached at ${at.advertisedHost})`
  const first = listening[0]
  if (first === undefined) return ['It listens nowhere: see porchlight settings list']
  const proxy = hostAndPort(first.advertisedHost, first.port)
  return [
    'It listens on',
    ...listening.map(at => `  ${names[at.transport].padEnd(15)} ${hostAndPort(at.address, at.port)}${reached(at)}`),
    ...http.map(at => {
      const who = at.listener === 'xdms' ? '  (for Aggregation Proxies elsewhere)' : ''
      const where = hostAndPort(at.address, at.port)
      if (at.listener === 'content')
        return `  ${`objects, ${at.transport.toUpperCase()}`.padEnd(15)} ${where}${content.root}  (for Presence Servers elsewhere)`
      return `  ${`XCAP over ${at.transport.toUpperCase()}`.padEnd(15)} ${where}${xcap.root}${who}`
    }),
    '',
    'Next, in another terminal:',
    `  make demo${data === 'data' ? '' : ` DATA=${data}`}`,
    `or a SIP client as sip:NAME@${domain} with ${proxy} as outbound proxy`,
  ]
}

/** The line that says the box serves, for programs: `ready udp=0.0.0.0:5060 tcp=0.0.0.0:5060 tls=0.0.0.0:5061`. */
export function readyLine(listening: ReadonlyArray<Listening | HttpListening>): string {
  const name = (at: Listening | HttpListening) =>
    'listener' in at && at.listener !== undefined ? `${at.listener}-${at.transport}` : at.transport
  return ['ready', ...listening.map(at => `${name(at)}=${hostAndPort(at.address, at.port)}`)].join(' ')
}
