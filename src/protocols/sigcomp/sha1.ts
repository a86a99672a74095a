/** SHA-1 (RFC 3174) of short strings, at a fraction of what a call into the crypto library costs: a UDVM may ask very often. */

import { createHash } from 'node:crypto'

const words = new Int32Array(80)
const block = new Uint8Array(64)
/** What one block holds beside a bit and the length. */
const longestShort = 55

/** The hash, 20 octets; valid until the next call when the string is short. */
export function sha1(bytes: Uint8Array): Uint8Array {
  return bytes.length > longestShort ? createHash('sha1').update(bytes).digest() : ofOneBlock(bytes)
}

const digest = new Uint8Array(20)

function ofOneBlock(bytes: Uint8Array): Uint8Array {
  const { length } = bytes
  for (let i = 0; i < length; i++) block[i] = bytes[i]!
  block.fill(0, length)
  block[length] = 0x80
  block[62] = length >> 5
  block[63] = length << 3
  for (let i = 0; i < 16; i++)
    words[i] = (block[4 * i]! << 24) | (block[4 * i + 1]! << 16) | (block[4 * i + 2]! << 8) | block[4 * i + 3]!
  for (let i = 16; i < 80; i++) {
    const word = words[i - 3]! ^ words[i - 8]! ^ words[i - 14]! ^ words[i - 16]!
    words[i] = (word << 1) | (word >>> 31)
  }
  let a = 0x67452301
  let b = 0xefcdab89 | 0
  let c = 0x98badcfe | 0
  let d = 0x10325476
  let e = 0xc3d2e1f0 | 0
  for (let i = 0; i < 80; i++) {
    let mixed: number
    if (i < 20) mixed = ((b & c) | (~b & d)) + 0x5a827999
    else if (i < 40) mixed = (b ^ c ^ d) + 0x6ed9eba1
    else if (i < 60) mixed = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
    else mixed = (b ^ c ^ d) + 0xca62c1d6
    const next = (((a << 5) | (a >>> 27)) + mixed + e + words[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  put(0, a + 0x67452301)
  put(4, b + 0xefcdab89)
  put(8, c + 0x98badcfe)
  put(12, d + 0x10325476)
  put(16, e + 0xc3d2e1f0)
  return digest
}

function put(at: number, word: number): void {
  digest[at] = word >> 24
  digest[at + 1] = word >> 16
  digest[at + 2] = word >> 8
  digest[at + 3] = word
}
