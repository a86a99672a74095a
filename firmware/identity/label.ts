/** The label of a unit, as text for any printer: serial, domain, first login, and the same as a QR code. */

import { renderUnicodeCompact } from 'uqr'
import type { Provision } from '../../src/platform/provisioning.ts'

export function label({ serial, domain, network, admin }: Provision): string {
  const address = network === 'dhcp' ? 'by DHCP' : network.address
  const rows = [
    ['Porchlight', serial],
    ['domain', domain],
    ['address', address],
    ['first login', `${admin.user}@${domain}`],
    ['code', admin.password],
  ]
  const qr = renderUnicodeCompact(`porchlight:${serial}?user=sip:${admin.user}@${domain}&code=${admin.password}`)
  return `${rows.map(([name, value]) => `${name!.padEnd(12)} ${value}`).join('\n')}\n\n${qr}\n`
}
