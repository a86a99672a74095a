/** baresip in a home of its own: registers, and watches one contact. */

import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Box, domain, passwordOf } from './box.ts'
import { Terminal } from './terminal.ts'

export function startBaresip(box: Box, user: string, transport: 'udp' | 'tcp' | 'tls', watched = 'bob'): Terminal {
  const home = mkdtempSync(join(box.directory, `baresip-${user}-`))
  const server = transport === 'tls' ? `sip:127.0.0.1:${box.tlsPort}` : `sip:127.0.0.1:${box.port}`
  writeFileSync(
    join(home, 'config'),
    `sip_listen 127.0.0.1:0
sip_cafile ${box.certificate}
module_path /usr/lib/baresip/modules
module_app account.so
module_app contact.so
module_app presence.so
module_app menu.so
module g711.so
`,
  )
  writeFileSync(
    join(home, 'accounts'),
    `<sip:${user}@${domain}>;auth_user=${user};auth_pass=${passwordOf(user)};outbound="${server};transport=${transport}";regint=600\n`,
  )
  writeFileSync(join(home, 'contacts'), `"Contact" <sip:${watched}@${domain}>;presence=p2p\n`)
  return new Terminal('baresip', ['-4', '-s', '-f', home], { HOME: home })
}
