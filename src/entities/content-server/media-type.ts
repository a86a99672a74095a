/**
 * What a MIME object is by its own octets (CS-14): what it is said to be must agree with that, so that nothing comes to a
 * watcher under a false name, and no image unfolds to more than he can hold.
 */

import { limits } from '../../limits.ts'

export interface MediaKind {
  readonly type: string
  /** Of an image, in pixels. */
  readonly width?: number
  readonly height?: number
  /** Octets beside the picture that unfold when they are read, such as texts and colour profiles. */
  readonly folded?: number
}

/** The kind of object these octets are; undefined when they are none of those that we can tell. */
export function mediaKind(bytes: Uint8Array): MediaKind | undefined {
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return image(octets) ?? sound(octets) ?? text(octets)
}

/** Whether an object that is said to be of this type (media type in lower case, no parameters) is one. */
export function isOfType(type: string, kind: MediaKind | undefined): boolean {
  if (kind === undefined) return false
  if (kind.type === type) return true
  if (type.endsWith('+xml')) return kind.type === 'application/xml'
  // A card is text, and so is whatever else is text but not told apart.
  return /^(?:text\/plain|application\/xml)$/.test(kind.type) && type.startsWith('text/') && type !== 'text/vcard'
}

/** Why nobody is to be given such an image: it is empty, or unfolds to more than a reader may have room for; else undefined. */
export function unfoldsTooMuch({ width = 1, height = 1, folded = 0 }: MediaKind): string | undefined {
  const { imagePixels, foldedOctets } = limits.content
  const pixels = width * height
  if (pixels === 0 || pixels > imagePixels)
    return `The image has ${width} by ${height} pixels: from 1 to ${imagePixels} are taken`
  if (folded > foldedOctets)
    return `The image has ${folded} octets of compressed texts and profiles: at most ${foldedOctets} are taken`
  return undefined
}

function image(octets: Buffer): MediaKind | undefined {
  return png(octets) ?? gif(octets) ?? jpeg(octets) ?? webp(octets)
}

/** ISO/IEC 15948 §5.2, §11.2.2. */
function png(octets: Buffer): MediaKind | undefined {
  if (octets.length < 33 || octets.toString('latin1', 0, 8) !== '\x89PNG\r\n\x1a\n') return undefined
  if (octets.toString('latin1', 12, 16) !== 'IHDR') return undefined
  const [width, height] = [octets.readUInt32BE(16), octets.readUInt32BE(20)]
  return { type: 'image/png', width, height, folded: foldedOctets(octets) }
}

/** ISO/IEC 15948 §11.3: chunks that are deflated, as far as the octets are chunks; zlib makes a thousand octets of one. */
function foldedOctets(octets: Buffer): number {
  let sum = 0
  for (let at = 8; at + 12 <= octets.length; ) {
    const length = octets.readUInt32BE(at)
    if (['iCCP', 'zTXt', 'iTXt'].includes(octets.toString('latin1', at + 4, at + 8))) sum += length
    at += 12 + length
  }
  return sum
}

function gif(octets: Buffer): MediaKind | undefined {
  if (octets.length < 13 || !/^GIF8[79]a/.test(octets.toString('latin1', 0, 6))) return undefined
  return { type: 'image/gif', width: octets.readUInt16LE(6), height: octets.readUInt16LE(8) }
}

/** ITU-T T.81 §B.1.1: segments up to the first frame header, which has the size. */
function jpeg(octets: Buffer): MediaKind | undefined {
  if (octets.length < 4 || octets.readUInt16BE(0) !== 0xffd8 || octets[2] !== 0xff) return undefined
  for (let at = 2; at + 9 <= octets.length; ) {
    if (octets[at] !== 0xff) return undefined
    const marker = octets[at + 1]!
    if (marker === 0xff) {
      at++
      continue
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) return { type: 'image/jpeg', height: octets.readUInt16BE(at + 5), width: octets.readUInt16BE(at + 7) }
    at += 2 + octets.readUInt16BE(at + 2)
  }
  return undefined
}

function webp(octets: Buffer): MediaKind | undefined {
  if (octets.length < 30 || octets.toString('latin1', 0, 4) !== 'RIFF') return undefined
  if (octets.toString('latin1', 8, 12) !== 'WEBP') return undefined
  const type = 'image/webp'
  switch (octets.toString('latin1', 12, 16)) {
    case 'VP8X':
      return { type, width: octets.readUIntLE(24, 3) + 1, height: octets.readUIntLE(27, 3) + 1 }
    case 'VP8L': {
      const bits = octets.readUInt32LE(21)
      return { type, width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case 'VP8 ':
      return { type, width: octets.readUInt16LE(26) & 0x3fff, height: octets.readUInt16LE(28) & 0x3fff }
    default:
      return undefined
  }
}

function sound(octets: Buffer): MediaKind | undefined {
  const head = octets.toString('latin1', 0, 12)
  if (head.startsWith('#!AMR\n')) return { type: 'audio/amr' }
  if (head.startsWith('OggS')) return { type: 'audio/ogg' }
  if (head.startsWith('RIFF') && head.endsWith('WAVE')) return { type: 'audio/wav' }
  const isFrame = octets.length > 2 && octets[0] === 0xff && (octets[1]! & 0xe6) === 0xe2
  return head.startsWith('ID3') || isFrame ? { type: 'audio/mpeg' } : undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function text(octets: Buffer): MediaKind | undefined {
  let decoded: string
  try {
    decoded = utf8.decode(octets)
  } catch {
    return undefined
  }
  if (/[\x00-\x08\x0b\x0e-\x1f\x7f]/.test(decoded)) return undefined
  if (/^BEGIN:VCARD\s/i.test(decoded)) return { type: 'text/vcard' }
  return { type: /^\s*<[?!A-Za-z_]/.test(decoded) ? 'application/xml' : 'text/plain' }
}
