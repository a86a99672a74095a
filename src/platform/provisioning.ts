/**
 * What makes a unit this unit: its name, network and first account. `scripts/flash` writes it on the card as `provision.json`, and the
 * unit takes it at its first boot, once. Both read it by this one description.
 */

import { createPublicKey, X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import { join } from 'node:path'
import { isDomainName } from '../settings/addresses.ts'

export interface Provision {
  /** On the label; also the host name. */
  readonly serial: string
  /** The SIP domain. */
  readonly domain: string
  readonly network: 'dhcp' | { readonly address: string; readonly gateway?: string; readonly dns: readonly string[] }
  /** The first account, an operator; its password is the code on the label. */
  readonly admin: { readonly user: string; readonly password: string }
  /** Public key (PEM, Ed25519) of who administers the unit: update bundles signed with it are taken as those of the release key are. */
  readonly adminKey?: string
  /** Account of the device management server, or a bootstrap document in base64; kept for the DM client. */
  readonly dm?:
    | { readonly server: string; readonly user: string; readonly password: string }
    | { readonly bootstrap: string }
  /** Further users, as `porchlight user import` reads them. */
  readonly users?: string
  /** Certificates (PEM) of authorities that servers of updates may have theirs from, beside the public ones. */
  readonly authorities?: string
}

/** The provision in `text`. Throws an Error of one line that says what is wrong. */
export function readProvision(text: string): Provision {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`it is no JSON: ${(error as Error).message}`)
  }
  const found = (value ?? {}) as Partial<Record<keyof Provision, unknown>>
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(what)
  }
  const { serial, domain, network, users, authorities } = found
  const admin = (found.admin ?? {}) as Record<string, unknown>
  must(
    isText(serial) && /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(serial),
    'serial: letters, digits and hyphens, at most 63',
  )
  must(
    isText(domain) && isDomainName(domain) && domain.includes('.') && isIP(domain) === 0,
    'domain: a domain name in lower case, such as example.org',
  )
  must(isText(admin.user) && /^[\w.-]{1,64}$/.test(admin.user), 'admin.user: a user name')
  must(isText(admin.password) && admin.password.length >= 12, 'admin.password: at least 12 characters')
  must(network === 'dhcp' || isStatic(network), 'network: dhcp, or an address such as 192.0.2.10/24')
  if (network !== 'dhcp') checkNetwork(network as StaticNetwork, must)
  must(users === undefined || isText(users), 'users: lines of aor,password')
  must(
    found.adminKey === undefined || isKey(found.adminKey),
    'adminKey: a public key of Ed25519 in PEM, and no private one',
  )
  must(authorities === undefined || areCertificates(authorities), 'authorities: certificates in PEM, and nothing else')
  must(
    found.dm === undefined || isDm(found.dm),
    'dm: a server (https://…), user and password, or a bootstrap document in base64',
  )
  const unknown = Object.keys(found).filter(
    name => !['serial', 'domain', 'network', 'admin', 'adminKey', 'dm', 'users', 'authorities'].includes(name),
  )
  must(unknown.length === 0, `${unknown.join(', ')}: unknown`)
  return value as Provision
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

type StaticNetwork = Exclude<Provision['network'], 'dhcp'>

function isStatic(value: unknown): value is StaticNetwork {
  const { address } = (value ?? {}) as Record<string, unknown>
  const [ip, length, ...rest] = String(address).split('/')
  const family = ip?.includes('%') ? 0 : isIP(ip ?? '')
  const isLength = /^\d{1,3}$/.test(length ?? '') && Number(length) > 0 && Number(length) <= (family === 4 ? 32 : 128)
  return family > 0 && isLength && rest.length === 0
}

/** What would leave the unit out of reach until somebody takes its card out again. */
function checkNetwork({ address, gateway, dns }: StaticNetwork, must: (holds: boolean, what: string) => void): void {
  const [ip = '', length = ''] = address.split('/')
  const family = isIP(ip) === 4 ? 'ipv4' : 'ipv6'
  const subnet = new BlockList()
  subnet.addSubnet(ip, Number(length), family)
  if (family === 'ipv4' && Number(length) < 31) {
    const host = ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) % 2 ** (32 - Number(length))
    must(host !== 0 && host !== 2 ** (32 - Number(length)) - 1, `network: ${address} is no address of one machine`)
  }
  must(Array.isArray(dns) && dns.every(one => isText(one) && isIP(one) > 0), 'network: dns servers are addresses')
  if (gateway === undefined) return
  // A router of IPv6 is best known by its link-local address (RFC 4861 §6.3.4).
  if (family === 'ipv6') subnet.addSubnet('fe80::', 10, family)
  const isThere = isText(gateway) && !gateway.includes('%') && isIP(gateway) === isIP(ip)
  must(
    isThere && subnet.check(gateway, family) && gateway !== ip,
    `network: the gateway is another address in the network of ${address}`,
  )
}

function areCertificates(value: unknown): boolean {
  if (!isText(value)) return false
  const found = value.match(/-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g) ?? []
  try {
    for (const one of found) new X509Certificate(one)
  } catch {
    return false
  }
  return found.length > 0 && !value.includes('PRIVATE KEY')
}

function isKey(value: unknown): boolean {
  if (!isText(value) || value.includes('PRIVATE')) return false
  try {
    return createPublicKey(value).asymmetricKeyType === 'ed25519'
  } catch {
    return false
  }
}

function isDm(value: unknown): boolean {
  const { server, user, password, bootstrap } = (value ?? {}) as Record<string, unknown>
  if (isText(bootstrap)) return /^[A-Za-z0-9+/]+=*$/.test(bootstrap)
  return isText(server) && /^https:/.test(server) && URL.canParse(server) && isText(user) && isText(password)
}

/** Writes what the operating system reads of it into `folder`: host name, network, keys, authorities, and the account of device management. */
export function writeSystemFiles(provision: Provision, folder: string): void {
  mkdirSync(join(folder, 'network'), { recursive: true })
  writeFileSync(join(folder, 'hostname'), `${provision.serial.toLowerCase()}\n`)
  const network = networkFile(provision.network)
  if (network !== undefined) writeFileSync(join(folder, 'network', '10-provisioned.network'), network)
  if (provision.adminKey !== undefined) {
    mkdirSync(join(folder, 'update-keys'), { recursive: true })
    writeFileSync(join(folder, 'update-keys', 'admin.pem'), provision.adminKey)
  }
  if (provision.authorities !== undefined) writeFileSync(join(folder, 'authorities.pem'), provision.authorities)
  if (provision.dm === undefined) return
  const account = join(folder, 'dm-account.json')
  writeFileSync(account, `${JSON.stringify(provision.dm)}\n`, { mode: 0o600 })
  chmodSync(account, 0o600)
}

/** systemd.network(5); undefined for DHCP, which is what the image does by itself. */
function networkFile(network: Provision['network']): string | undefined {
  if (network === 'dhcp') return undefined
  const { address, gateway, dns } = network
  const lines = ['[Match]', 'Type=ether', '', '[Network]', 'DHCP=no', 'LinkLocalAddressing=ipv6', `Address=${address}`]
  if (gateway !== undefined) lines.push(`Gateway=${gateway}`)
  return `${[...lines, ...dns.map(server => `DNS=${server}`)].join('\n')}\n`
}
