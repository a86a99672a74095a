/** Which addresses anybody may be asked at: those of the public network (RFC 6890), so that nobody makes us ask inside ours. */

import { BlockList, isIPv4, isIPv6 } from 'node:net'

// One for each family: an address of IPv4 would be looked for among those of IPv6 as well, in the form mapped to it.
const special = { ipv4: new BlockList(), ipv6: new BlockList() }

for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.ipv4.addSubnet(network, prefix, 'ipv4')

// Of IPv6 only global unicast, without what stands for an address of IPv4 or is for documentation.
for (const [network, prefix] of [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.ipv6.addSubnet(network, prefix, 'ipv6')

/** Whether a numeric address is one of the public network. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.ipv4.check(address, 'ipv4')
  return isIPv6(address) && !special.ipv6.check(address, 'ipv6')
}
