/**
 * What an image is and what it unfolds to, read off its octets without unfolding it (CS-14). Where one file has several
 * pictures, each may be larger than what is said of the whole, and readers make room for them.
 */

export interface ImageKind {
  readonly type: string
  /** In pixels, of the smallest canvas that holds every picture. */
  readonly width: number
  readonly height: number
  /** Pixels of all its pictures together, where it may have several. */
  readonly painted?: number
  /** Octets beside the picture that unfold when they are read, such as texts and colour profiles. */
  readonly folded?: number
}

/** Undefined when these octets are no image that we can tell. */
export function imageKind(octets: Buffer): ImageKind | undefined {
  return png(octets) ?? gif(octets) ?? jpeg(octets) ?? webp(octets)
}

/** ISO/IEC 15948 §5.2, §11.2.2. */
function png(octets: Buffer): ImageKind | undefined {
  if (octets.length < 33 || octets.toString('latin1', 0, 8) !== '\x89PNG\r\n\x1a\n') return undefined
  if (octets.toString('latin1', 12, 16) !== 'IHDR') return undefined
  const canvas = new Canvas(octets.readUInt32BE(16), octets.readUInt32BE(20))
  let folded = 0
  for (const { type, at, length } of pngChunks(octets)) {
    // ISO/IEC 15948 §11.3: chunks that are deflated; zlib makes a thousand octets of one.
    if (type === 'iCCP' || type === 'zTXt' || type === 'iTXt') folded += length
    // A frame of an animation: its size, and where it stands, behind its number.
    if (type === 'fcTL' && length >= 20 && at + 20 <= octets.length) {
      const [width, height, left, top] = [4, 8, 12, 16].map(place => octets.readUInt32BE(at + place))
      canvas.paint(width!, height!, left, top)
    }
  }
  return { type: 'image/png', ...canvas.size, folded }
}

/** The chunks of a PNG as far as its octets are such: where what is in them begins, and how long it is said to be. */
function* pngChunks(octets: Buffer): Iterable<{ readonly type: string; readonly at: number; readonly length: number }> {
  for (let at = 8; at + 12 <= octets.length; ) {
    const length = octets.readUInt32BE(at)
    yield { type: octets.toString('latin1', at + 4, at + 8), at: at + 8, length }
    at += 12 + length
  }
}

/** GIF89a §18, §20 to §26: the logical screen, and the pictures, as far as the octets are such. */
function gif(octets: Buffer): ImageKind | undefined {
  if (octets.length < 13 || !/^GIF8[79]a/.test(octets.toString('latin1', 0, 6))) return undefined
  const canvas = new Canvas(octets.readUInt16LE(6), octets.readUInt16LE(8))
  let at = 13 + colourTable(octets[10]!)
  for (;;) {
    const introducer = octets[at]
    if (introducer === 0x2c && at + 11 <= octets.length) {
      const [left, top, width, height] = [1, 3, 5, 7].map(place => octets.readUInt16LE(at + place))
      canvas.paint(width!, height!, left, top)
      at = behindBlocks(octets, at + 11 + colourTable(octets[at + 9]!))
    } else if (introducer === 0x21) at = behindBlocks(octets, at + 2)
    else return { type: 'image/gif', ...canvas.size }
  }
}

/** Octets of a colour table by the flags that tell of it. */
function colourTable(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0
}

/** Behind the sub-blocks that begin here, of which an empty one is the last. */
function behindBlocks(octets: Buffer, start: number): number {
  let at = start
  while (at < octets.length && octets[at] !== 0) at += 1 + octets[at]!
  return at + 1
}

/** ITU-T T.81 §B.1.1: segments up to the first frame header, which has the size. */
function jpeg(octets: Buffer): ImageKind | undefined {
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

/** RFC 9649 §2.5 to §2.7. */
function webp(octets: Buffer): ImageKind | undefined {
  if (octets.length < 30 || octets.toString('latin1', 0, 4) !== 'RIFF') return undefined
  if (octets.toString('latin1', 8, 12) !== 'WEBP') return undefined
  const [first] = webpChunks(octets, 12)
  if (first === undefined || !['VP8X', 'VP8L', 'VP8 '].includes(first.type)) return undefined
  const canvas =
    first.type === 'VP8X'
      ? new Canvas(octets.readUIntLE(24, 3) + 1, octets.readUIntLE(27, 3) + 1)
      : new Canvas(...webpSize(octets, first))
  for (const chunk of webpChunks(octets, 12)) {
    if (chunk.type === 'VP8L' || chunk.type === 'VP8 ') canvas.paint(...webpSize(octets, chunk))
    if (chunk.type !== 'ANMF' || chunk.at + 16 > octets.length) continue
    // A frame of an animation: where it stands, in pairs of pixels, its size less one, and the picture itself.
    const [left, top, width, height] = [0, 3, 6, 9].map(place => octets.readUIntLE(chunk.at + place, 3))
    canvas.paint(width! + 1, height! + 1, 2 * left!, 2 * top!)
    for (const inner of webpChunks(octets, chunk.at + 16))
      if (inner.type === 'VP8L' || inner.type === 'VP8 ') canvas.hold(...webpSize(octets, inner))
      else if (inner.type !== 'ALPH') break
  }
  return { type: 'image/webp', ...canvas.size }
}

interface WebpChunk {
  readonly type: string
  /** Where what is in it begins. */
  readonly at: number
}

function* webpChunks(octets: Buffer, start: number): Iterable<WebpChunk> {
  for (let at = start; at + 8 <= octets.length; ) {
    yield { type: octets.toString('latin1', at, at + 4), at: at + 8 }
    const length = octets.readUInt32LE(at + 4)
    at += 8 + length + (length & 1)
  }
}

/** The size of one picture, by its own header; of one cut short none. */
function webpSize(octets: Buffer, { type, at }: WebpChunk): [width: number, height: number] {
  if (at + 10 > octets.length) return [0, 0]
  if (type === 'VP8 ') return [octets.readUInt16LE(at + 6) & 0x3fff, octets.readUInt16LE(at + 8) & 0x3fff]
  const bits = octets.readUInt32LE(at + 1)
  return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1]
}

/** What is said of the whole, which grows with the pictures that go beyond. */
class Canvas {
  #width: number
  #height: number
  #painted = 0

  constructor(width: number, height: number) {
    this.#width = width
    this.#height = height
  }

  paint(width: number, height: number, left = 0, top = 0): void {
    this.hold(left + width, top + height)
    this.#painted += width * height
  }

  hold(width: number, height: number): void {
    this.#width = Math.max(this.#width, width)
    this.#height = Math.max(this.#height, height)
  }

  get size(): { readonly width: number; readonly height: number; readonly painted: number } {
    return { width: this.#width, height: this.#height, painted: this.#painted }
  }
}
