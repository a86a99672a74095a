/** Small images and the like, as the tests of the Content Server need them: right in their heads, and no more than that. */

export function png(width = 60, height = 80, octets = 200): Buffer {
  const image = Buffer.alloc(Math.max(octets, 45), 'p')
  image.write('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 0, 'latin1')
  image.writeUInt32BE(width, 16)
  image.writeUInt32BE(height, 20)
  image.write('\x08\x02\0\0\0\0\0\0\0', 24, 'latin1')
  return image
}

export function gif(width = 60, height = 80): Buffer {
  const image = Buffer.from('GIF89a\0\0\0\0\x80\0\0;', 'latin1')
  image.writeUInt16LE(width, 6)
  image.writeUInt16LE(height, 8)
  return image
}

/** With an APP0 segment before its frame header, as most have. */
export function jpeg(width = 60, height = 80): Buffer {
  const image = Buffer.from(
    '\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc2\0\x11\x08\0\0\0\0\x03\xff\xd9',
    'latin1',
  )
  image.writeUInt16BE(height, 25)
  image.writeUInt16BE(width, 27)
  return image
}

export function webp(width = 60, height = 80): Buffer {
  const image = Buffer.alloc(40)
  image.write('RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0', 0, 'latin1')
  image.writeUIntLE(width - 1, 24, 3)
  image.writeUIntLE(height - 1, 27, 3)
  return image
}

type Size = readonly [width: number, height: number]

/** With a colour table, an extension before each picture, and pictures of these sizes. */
export function framesOfGif(width: number, height: number, ...frames: readonly Size[]): Buffer {
  const pictures = frames.map(([w, h]) => {
    const picture = Buffer.from('!\xf9\x04\0\0\0\0\0,\0\0\0\0\0\0\0\0\x80abcdef\x02\x02L\x01\0', 'latin1')
    picture.writeUInt16LE(w, 13)
    picture.writeUInt16LE(h, 15)
    return picture
  })
  return Buffer.concat([gif(width, height).subarray(0, 13), Buffer.from('123456'), ...pictures, Buffer.from(';')])
}

/** An animation (PNG, third edition): of each picture no more than its size. */
export function framesOfPng(width: number, height: number, ...frames: readonly Size[]): Buffer {
  const pictures = frames.map(([w, h], index) => {
    const picture = Buffer.alloc(38)
    picture.writeUInt32BE(26, 0)
    picture.write('fcTL', 4)
    for (const [place, value] of [index, w, h].entries()) picture.writeUInt32BE(value, 8 + 4 * place)
    return picture
  })
  return Buffer.concat([png(width, height).subarray(0, 33), ...pictures])
}

/** An animation (RFC 9649 §2.7.1.1) of lossless pictures. */
export function framesOfWebp(width: number, height: number, ...frames: readonly Size[]): Buffer {
  const pictures = frames.map(([w, h]) => {
    const picture = Buffer.alloc(42)
    picture.write('ANMF\x22\0\0\0', 'latin1')
    picture.writeUIntLE(w - 1, 14, 3)
    picture.writeUIntLE(h - 1, 17, 3)
    picture.write('VP8L\x0a\0\0\0\x2f', 24, 'latin1')
    picture.writeUInt32LE(w - 1 + (h - 1) * 2 ** 14, 33)
    return picture
  })
  return Buffer.concat([webp(width, height).subarray(0, 30), ...pictures])
}
