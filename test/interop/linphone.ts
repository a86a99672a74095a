/**
 * linphonec in a home of its own: registers, publishes its state, and has friends, Bob unless told otherwise. With `asList` it
 * subscribes to them as one list that comes with the request (RFC 5367).
 */

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Box, domain, freePortOfBoth, passwordOf } from './box.ts'
import { Terminal } from './terminal.ts'

export async function startLinphone(
  box: Box,
  user: string,
  transport: 'udp' | 'tcp' | 'tls',
  { friends = ['bob'], asList = false }: { friends?: readonly string[]; asList?: boolean } = {},
): Promise<Terminal> {
  const home = mkdtempSync(join(box.directory, `linphone-${user}-`))
  for (const part of ['.local/share/linphone', '.config/linphone']) mkdirSync(join(home, part), { recursive: true })
  const own = await freePortOfBoth()
  const server = transport === 'tls' ? `sip:localhost:${box.tlsPort}` : `sip:127.0.0.1:${box.port}`
  const configuration = join(home, 'linphonerc')
  writeFileSync(
    configuration,
    `[sip]
sip_port=${transport === 'udp' ? own : 0}
sip_tcp_port=${transport === 'tcp' ? own : 0}
sip_tls_port=${transport === 'tls' ? own : 0}
use_ipv6=0
default_proxy=0
register_only_when_network_is_up=0
ping_with_options=0
${asList ? `rls_uri=sip:rls@${domain}\nuse_rls_presence=1\n` : ''}root_ca=${box.certificate}
verify_server_certs=1
verify_server_cn=1
[proxy_0]
reg_proxy=<${server};transport=${transport}>
reg_route=<${server};transport=${transport}>
reg_identity=<sip:${user}@${domain}>
reg_expires=600
reg_sendregister=1
publish=1
publish_expires=600
[auth_info_0]
username=${user}
passwd=${passwordOf(user)}
realm=${domain}
domain=${domain}
${friends.map((name, at) => `[friend_${at}]\nurl="${name}" <sip:${name}@${domain}>\npol=accept\nsubscribe=1\n`).join('')}[video]
enabled=0
`,
  )
  const log = join(home, 'log')
  return new Terminal('linphonec', ['-c', configuration, '-d', '6', '-l', log], { HOME: home }, log)
}
