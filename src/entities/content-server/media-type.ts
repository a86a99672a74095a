/**
 * What a MIME object is by its own octets (CS-14): what it is said to be must agree with that, so that nothing comes to a
 * watcher under a false name, and no image unfolds to more than he can hold.
 */

import { limits } from '../../limits.ts'
import { type ImageKind, imageKind } from './image-kind.ts'

/** What it is and, of an image, what it unfolds to. */
export type MediaKind = { readonly type: string } & Partial<ImageKind>

/** The kind of object these octets are; undefined when they are none of those that we can tell. */
export function mediaKind(bytes: Uint8Array): MediaKind | undefined {
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  return imageKind(octets) ?? sound(octets) ?? text(octets)
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
export function unfoldsTooMuch({ width = 1, height = 1, painted = 0, folded = 0 }: MediaKind): string | undefined {
  const { imagePixels, animationPixels, foldedOctets } = limits.content
  const pixels = width * height
  if (pixels === 0 || pixels > imagePixels)
    return `The image has ${width} by ${height} pixels: from 1 to ${imagePixels} are taken`
  if (painted > animationPixels)
    return `The pictures of the image have ${painted} pixels: at most ${animationPixels} are taken`
  if (folded > foldedOctets)
    return `The image has ${folded} octets of compressed texts and profiles: at most ${foldedOctets} are taken`
  return undefined
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
