/** The label of a unit, as text for any printer: serial, domain, first login, and the same as a QR code. */

import { renderUnicodeCompact } from 'uqr'
import type { Provision } from '../../src/platform/provisioning.ts'

/**
 * What is printed is black on white, and a code is read best that way; a terminal is told to show it so. Around it the quiet zone of
 * four modules (ISO/IEC 18004).
 */
export function label({ serial, domain, network, admin }: Provision, isForTerminal = false): string {
  const address = network === 'dhcp' ? 'by DHCP' : network.address
  const rows = [
    ['Porchlight', serial],
    ['domain', domain],
    ['address', address],
    ['first login', `${admin.user}@${domain}`],
    ['code', admin.password],
  ]
  const content = `porchlight:${serial}?user=sip:${admin.user}@${domain}&code=${admin.password}`
  const code = renderUnicodeCompact(content, { invert: true, border: 4 }).split('\n')
  const shown = isForTerminal ? code.map(line => `\x1b[30;107m${line}\x1b[0m`) : code
  return `${rows.map(([name, value]) => `${name!.padEnd(12)} ${value}`).join('\n')}\n\n${shown.join('\n')}\n`
}
