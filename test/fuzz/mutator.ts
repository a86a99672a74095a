/** Makes new inputs from seeds, the same ones for the same seed number: cut, joined, repeated, flipped, over-long. */

/** Octets that mean something to the parsers of this product: SIP, URIs, XML, JSON, lengths. */
const meaningful = [
  '\r\n',
  '\r\n\r\n',
  '\r\n ',
  '\0',
  '"',
  '\\"',
  '<',
  '>',
  '&',
  '&amp;',
  '&#0;',
  '<!DOCTYPE a [<!ENTITY b "c">]>',
  '<?xml version="1.0" encoding="UTF-16"?>',
  '<![CDATA[',
  ']]>',
  'xmlns:a=""',
  ':',
  ';',
  ',',
  '@',
  '%',
  '%00',
  '%zz',
  '[::1]',
  '(',
  ')',
  '*',
  '=',
  '-1',
  '4294967296',
  '99999999999999999999',
  'Content-Length: 10\r\n',
  'l:5\r\n',
  'Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n',
  'SIP/2.0 200 OK\r\n',
  '\u00e9',
  '\ufffd',
  '\ud83d\ude00',
].map(text => Buffer.from(text, 'utf8'))

const longestOctets = 65_536

export class Mutator {
  readonly #seeds: readonly Uint8Array[]
  #state: number

  constructor(seed: number, seeds: readonly Uint8Array[]) {
    this.#seeds = seeds
    this.#state = seed | 0
  }

  /** The next input: a seed after one to eight changes. */
  next(): Uint8Array {
    let bytes = Buffer.from(this.#pick(this.#seeds))
    for (let changes = 1 + this.#below(8); changes > 0; changes--) bytes = this.#change(bytes)
    return bytes.subarray(0, longestOctets)
  }

  #change(bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
    const at = this.#below(bytes.length + 1)
    const end = Math.min(bytes.length, at + 1 + this.#below(this.#below(4) === 0 ? bytes.length + 1 : 16))
    const [before, piece, after] = [bytes.subarray(0, at), bytes.subarray(at, end), bytes.subarray(end)]
    switch (this.#below(9)) {
      case 0:
        return Buffer.concat([before, after])
      case 1:
        return Buffer.concat([before, this.#pick(meaningful), bytes.subarray(at)])
      case 2:
        return Buffer.concat([before, this.#pick(meaningful), after])
      case 3: {
        const flipped = Buffer.from(bytes)
        if (at < flipped.length) flipped[at]! ^= 1 << this.#below(8)
        return flipped
      }
      case 4:
        return Buffer.concat([before, Buffer.from([this.#below(256)]), after])
      case 5: {
        const times = 1 + this.#below(this.#below(8) === 0 ? 2000 : 5)
        const room = Math.max(0, longestOctets - bytes.length)
        const copies = Math.min(times, Math.floor(room / Math.max(1, piece.length)))
        return Buffer.concat([before, ...Array<Buffer>(copies).fill(piece), bytes.subarray(at)])
      }
      case 6: {
        const other = this.#pick(this.#seeds)
        return Buffer.concat([before, other.subarray(this.#below(other.length + 1))])
      }
      case 7:
        return Buffer.from(before)
      default: {
        const to = this.#below(bytes.length + 1)
        return Buffer.concat([bytes.subarray(0, to), piece, bytes.subarray(to)])
      }
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }

  /** mulberry32. */
  #below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
