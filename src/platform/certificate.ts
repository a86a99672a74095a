/**
 * Writes a self-signed X.509 certificate (RFC 5280 §4) for the box's own names, so that TLS works from the first start on a
 * machine that has nothing but Node.js: node:crypto makes keys and signatures, but no certificates.
 */

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

export interface SelfSigned {
  /** PEM. */
  readonly certificate: string
  /** PKCS #8, PEM. */
  readonly key: string
}

/**
 * An ECDSA P-256 certificate for SIP `domain` (RFC 5922 §7.1: as URI and as DNS name) and the other `names`, host names or
 * IP addresses, valid for ten years from a day before `now`.
 */
export function selfSigned(domain: string, names: readonly string[], now: number): SelfSigned {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const dayMs = 86_400_000
  const name = sequence(set(sequence(oid('2.5.4.3'), utf8(domain.slice(0, 64)))))
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serialNumber()),
    ecdsaWithSha256,
    name,
    sequence(time(now - dayMs), time(now + 3650 * dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, extensions(domain, names, publicKey)),
  )
  const signature = sign('sha256', toBeSigned, privateKey)
  const certificate = sequence(toBeSigned, ecdsaWithSha256, bitString(signature))
  return {
    certificate: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** Whether `certificate` (PEM) can still serve for `domain` at `now`; false for anything that is no certificate. */
export function isUsableFor(certificate: string, domain: string, now: number): boolean {
  try {
    const parsed = new X509Certificate(certificate)
    return parsed.checkHost(domain) !== undefined && Date.parse(parsed.validTo) > now
  } catch {
    return false
  }
}

/** RFC 5280 §4.2.1: what the key is for, and for whom. */
function extensions(domain: string, names: readonly string[], publicKey: KeyObject): Buffer {
  const keyIdentifier = createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }).subarray(-65))
    .digest()
  const hosts = [...new Set([domain, ...names])]
  return sequence(
    extension('2.5.29.19', true, sequence()),
    // digitalSignature, the first bit: ECDSA needs no other.
    extension('2.5.29.15', true, tagged(0x03, Buffer.from([7, 0x80]))),
    extension('2.5.29.37', false, sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'))),
    extension('2.5.29.14', false, octetString(keyIdentifier)),
    extension(
      '2.5.29.17',
      false,
      sequence(
        ...hosts.map(host => (isIP(host) === 0 ? tagged(0x82, ascii(host)) : tagged(0x87, addressOctets(host)))),
        tagged(0x86, ascii(`sip:${domain}`)),
      ),
    ),
  )
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [tagged(0x01, Buffer.from([0xff]))] : []), octetString(value))
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets, at least 64 bits nobody can guess. */
function serialNumber(): Buffer {
  const octets = randomBytes(16)
  octets[0] = (octets[0]! & 0x7f) | 0x40
  return octets
}

/** RFC 5280 §4.1.2.5: UTCTime up to 2049, GeneralizedTime after. */
function time(instant: number): Buffer {
  const text = new Date(instant).toISOString().replace(/[-:T]|\.\d+/g, '')
  return Number(text.slice(0, 4)) < 2050 ? tagged(0x17, ascii(text.slice(2))) : tagged(0x18, ascii(text))
}

/** IPv4 as 4 octets, IPv6 as 16. */
function addressOctets(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  // The URL parser writes an embedded IPv4 tail as hexadecimal groups and compresses; only '::' is left to expand.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail = ''] = canonical.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const missing = 8 - groups(head).length - groups(tail).length
  const all = canonical.includes('::')
    ? [...groups(head), ...Array(missing).fill('0'), ...groups(tail)]
    : groups(canonical)
  return Buffer.from(all.flatMap(group => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]))
}

// DER (X.690): tag, definite length, content.

function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  const length: number[] = []
  if (body.length < 0x80) length.push(body.length)
  else {
    for (let rest = body.length; rest > 0; rest >>>= 8) length.unshift(rest & 0xff)
    length.unshift(0x80 | length.length)
  }
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

function sequence(...content: readonly Buffer[]): Buffer {
  return tagged(0x30, ...content)
}

function set(...content: readonly Buffer[]): Buffer {
  return tagged(0x31, ...content)
}

function explicit(number: number, content: Buffer): Buffer {
  return tagged(0xa0 | number, content)
}

function integer(octets: Buffer): Buffer {
  return tagged(0x02, octets)
}

function octetString(octets: Buffer): Buffer {
  return tagged(0x04, octets)
}

function bitString(octets: Buffer): Buffer {
  return tagged(0x03, Buffer.from([0]), octets)
}

function utf8(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text, 'utf8'))
}

function ascii(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split('.').map(Number)
  const octets = [first! * 40 + second!]
  for (const arc of rest) {
    const digits = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f))
    octets.push(...digits)
  }
  return tagged(0x06, Buffer.from(octets))
}

/** RFC 5758 §3.2. */
const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
