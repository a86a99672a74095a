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
