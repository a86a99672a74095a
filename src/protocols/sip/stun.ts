/** The limited STUN server that stands on every UDP port where SIP is received (RFC 5626 §8, RFC 5389): it answers Binding Requests. */

import { parseIpv4, parseIpv6 } from './uri.ts'

const HEADER = 20
const MAGIC_COOKIE = 0x2112_a442
const BINDING_REQUEST = 0x0001
const BINDING_INDICATION = 0x0011
const BINDING_RESPONSE = 0x0101
const BINDING_ERROR_RESPONSE = 0x0111
const ERROR_CODE = 0x0009
const UNKNOWN_ATTRIBUTES = 0x000a
const XOR_MAPPED_ADDRESS = 0x0020

/**
 * Attributes below 0x8000 that RFC 5389 §18.2 defines. This usage asks for no credentials, so whatever they say is let be:
 * MAPPED-ADDRESS, USERNAME, MESSAGE-INTEGRITY, ERROR-CODE, UNKNOWN-ATTRIBUTES, REALM, NONCE, XOR-MAPPED-ADDRESS.
 */
const understood: ReadonlySet<number> = new Set([0x0001, 0x0006, 0x0008, 0x0009, 0x000a, 0x0014, 0x0015, 0x0020])

/** Where a datagram came from: the reflexive transport address. An IPv6 address without brackets. */
export interface StunSource {
  readonly remoteAddress: string
  readonly remotePort: number
}

/** Whether a datagram is STUN rather than SIP: the first octet of a SIP message is never 0 or 1 (RFC 5626 §8). */
export function isStun(bytes: Uint8Array): boolean {
  return bytes.length > 4 && bytes[0]! <= 1
}

/**
 * What to answer to a STUN message; `nothing` when it asks for no answer, undefined when it is malformed or no business of
 * this server. RFC 5389 §7.3: a Binding Request is answered with XOR-MAPPED-ADDRESS, or with 420 when it carries an attribute
 * that must be understood and is not (§7.3.1).
 */
export function answerStun(bytes: Buffer, source: StunSource): Buffer | 'nothing' | undefined {
  if (bytes.length < HEADER || bytes.readUInt32BE(4) !== MAGIC_COOKIE) return undefined
  if (bytes.readUInt16BE(2) !== bytes.length - HEADER || bytes.length % 4 !== 0) return undefined
  const type = bytes.readUInt16BE(0)
  if (type === BINDING_INDICATION) return 'nothing'
  if (type !== BINDING_REQUEST) return undefined
  const unknown = unknownAttributes(bytes)
  if (unknown === undefined) return undefined
  const transaction = bytes.subarray(4, HEADER)
  if (unknown.length > 0) return message(BINDING_ERROR_RESPONSE, transaction, unknownAttribute(unknown))
  const address = xorMappedAddress(transaction, source)
  return address && message(BINDING_RESPONSE, transaction, address)
}

/** The attributes that must be understood and are not (§15); undefined when they do not fill the message exactly. */
function unknownAttributes(bytes: Buffer): number[] | undefined {
  const unknown: number[] = []
  let at = HEADER
  while (at < bytes.length) {
    const type = bytes.readUInt16BE(at)
    at += 4 + padded(bytes.readUInt16BE(at + 2))
    if (at > bytes.length) return undefined
    if (type < 0x8000 && !understood.has(type)) unknown.push(type)
  }
  return unknown
}

/** §15.2: port and address, XORed with the magic cookie and, for IPv6, the transaction ID behind it. */
function xorMappedAddress(transaction: Buffer, { remoteAddress, remotePort }: StunSource): Buffer | undefined {
  const address = octetsOf(remoteAddress)
  if (address === undefined) return undefined
  const value = Buffer.alloc(4 + address.length)
  value[1] = address.length === 4 ? 1 : 2
  value.writeUInt16BE(remotePort ^ (MAGIC_COOKIE >>> 16), 2)
  for (const [at, octet] of address.entries()) value[4 + at] = octet ^ transaction[at]!
  return attribute(XOR_MAPPED_ADDRESS, value)
}

function octetsOf(address: string): number[] | undefined {
  return parseIpv4(address) ?? parseIpv6(address)?.flatMap(group => [group >>> 8, group & 0xff])
}

/** §7.3.1: 420 (§15.6), and which (§15.9). */
function unknownAttribute(unknown: readonly number[]): Buffer {
  const types = Buffer.alloc(2 * unknown.length)
  for (const [at, type] of unknown.entries()) types.writeUInt16BE(type, 2 * at)
  const error = Buffer.concat([Buffer.from([0, 0, 4, 20]), Buffer.from('Unknown Attribute')])
  return Buffer.concat([attribute(ERROR_CODE, error), attribute(UNKNOWN_ATTRIBUTES, types)])
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + padded(value.length))
  bytes.writeUInt16BE(type, 0)
  bytes.writeUInt16BE(value.length, 2)
  value.copy(bytes, 4)
  return bytes
}

/** `transaction`: the magic cookie and the transaction ID. */
function message(type: number, transaction: Buffer, attributes: Buffer): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(attributes.length, 2)
  return Buffer.concat([head, transaction, attributes])
}

function padded(length: number): number {
  return (length + 3) & ~3
}
