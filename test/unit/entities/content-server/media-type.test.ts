import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOfType, mediaKind, unfoldsTooMuch } from '../../../../src/entities/content-server/media-type.ts'
import { framesOfGif, framesOfPng, framesOfWebp, gif, jpeg, png, webp } from './images.ts'

test('an image is known by its octets, with its size', () => {
  assert.deepEqual(mediaKind(png(3, 70_000)), { type: 'image/png', width: 3, height: 70_000, painted: 0, folded: 0 })
  assert.deepEqual(mediaKind(gif(1, 2)), { type: 'image/gif', width: 1, height: 2, painted: 0 })
  assert.deepEqual(mediaKind(jpeg(640, 480)), { type: 'image/jpeg', width: 640, height: 480 })
  assert.deepEqual(mediaKind(webp(17, 4)), { type: 'image/webp', width: 17, height: 4, painted: 0 })
})

test('CS-14: pictures larger than what is said of the whole, and many of them, count', () => {
  for (const frames of [framesOfGif, framesOfPng, framesOfWebp]) {
    const small = mediaKind(frames(60, 80, [60, 80], [10, 20]))!
    assert.deepEqual([small.width, small.height, small.painted], [60, 80, 60 * 80 + 200])
    assert.equal(unfoldsTooMuch(small), undefined)
    assert.match(unfoldsTooMuch(mediaKind(frames(1, 1, [1, 1], [16_000, 16_000]))!)!, /16000 by 16000 pixels/)
    const many = Array.from({ length: 40 }, () => [2_000, 2_000] as const)
    assert.match(unfoldsTooMuch(mediaKind(frames(2_000, 2_000, ...many))!)!, /have 160000000 pixels/)
  }
  // What is said in the picture itself counts, whatever is said around it.
  const lying = framesOfWebp(1, 1, [1, 1])
  lying.writeUInt32LE(0x3fff | (0x3fff << 14), lying.indexOf('VP8L') + 9)
  assert.match(unfoldsTooMuch(mediaKind(lying)!)!, /16384 by 16384/)
})

test('an image cut short, at whatever octet, is none or the same, and never a fault', () => {
  const several = [framesOfGif, framesOfPng, framesOfWebp].map(frames => frames(9, 9, [9, 9], [3, 3]))
  for (const whole of [png(), gif(), jpeg(), webp(), ...several]) {
    for (let length = 0; length < whole.length; length++) {
      const kind = mediaKind(whole.subarray(0, length))
      assert.ok(kind === undefined || kind.type === 'text/plain' || kind.type === mediaKind(whole)!.type)
    }
  }
})

test('sounds, cards and text', () => {
  const kindOf = (text: string) => mediaKind(Buffer.from(text, 'latin1'))?.type
  assert.equal(kindOf('#!AMR\nxx'), 'audio/amr')
  assert.equal(kindOf('OggS\0'), 'audio/ogg')
  assert.equal(kindOf('RIFF\0\0\0\0WAVEfmt '), 'audio/wav')
  assert.equal(kindOf('ID3\x03'), 'audio/mpeg')
  assert.equal(kindOf('BEGIN:VCARD\r\nVERSION:4.0'), 'text/vcard')
  assert.equal(kindOf('Gone fishing\n'), 'text/plain')
  assert.equal(kindOf('MZ\x90\0\x03'), undefined)
  assert.equal(kindOf('\xff\xfe\xfd'), undefined)
})

test('what is said of an object must agree with what it is', () => {
  assert.ok(isOfType('image/png', mediaKind(png())))
  assert.ok(!isOfType('image/gif', mediaKind(png())))
  assert.ok(!isOfType('image/png', mediaKind(Buffer.from('<script>'))))
  assert.ok(isOfType('text/markdown', mediaKind(Buffer.from('# Hello'))))
  assert.ok(!isOfType('text/vcard', mediaKind(Buffer.from('Hello'))))
  assert.ok(!isOfType('audio/amr', mediaKind(Buffer.from([0, 1, 2]))))
})

test('CS-14: what unfolds to more than a reader may have room for', () => {
  const chunk = (type: string, length: number) => {
    const bytes = Buffer.alloc(12 + length, 'x')
    bytes.writeUInt32BE(length, 0)
    bytes.write(type, 4)
    return bytes
  }
  const withChunks = (...chunks: Buffer[]) => mediaKind(Buffer.concat([png().subarray(0, 33), ...chunks]))!
  assert.equal(unfoldsTooMuch(withChunks(chunk('iCCP', 3_000), chunk('IDAT', 100_000))), undefined)
  assert.match(unfoldsTooMuch(withChunks(chunk('IDAT', 9), chunk('zTXt', 16_385)))!, /16385 octets of compressed/)
  assert.match(unfoldsTooMuch(withChunks(chunk('iTXt', 9_000), chunk('zTXt', 9_000)))!, /18000 octets/)
  assert.match(unfoldsTooMuch(mediaKind(png(50_000, 50_000))!)!, /50000 by 50000 pixels/)
  assert.match(unfoldsTooMuch(mediaKind(png(0, 5))!)!, /0 by 5 pixels/)
  assert.equal(unfoldsTooMuch(mediaKind(Buffer.from('text'))!), undefined)
})

test('a presence document is XML, and XML is no text that is a card', () => {
  const xml = mediaKind(Buffer.from('\n<?xml version="1.0"?><presence/>'))
  assert.ok(isOfType('application/pidf+xml', xml))
  assert.ok(isOfType('text/plain', xml))
  assert.ok(!isOfType('text/vcard', xml))
  assert.ok(!isOfType('image/svg+xml', mediaKind(png())))
  assert.ok(!isOfType('application/pidf+xml', mediaKind(Buffer.from('< no'))))
})
