import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOfType, mediaKind } from '../../../../src/entities/content-server/media-type.ts'
import { gif, jpeg, png, webp } from './images.ts'

test('an image is known by its octets, with its size', () => {
  assert.deepEqual(mediaKind(png(3, 70_000)), { type: 'image/png', width: 3, height: 70_000 })
  assert.deepEqual(mediaKind(gif(1, 2)), { type: 'image/gif', width: 1, height: 2 })
  assert.deepEqual(mediaKind(jpeg(640, 480)), { type: 'image/jpeg', width: 640, height: 480 })
  assert.deepEqual(mediaKind(webp(17, 4)), { type: 'image/webp', width: 17, height: 4 })
})

test('an image cut short, at whatever octet, is none or the same, and never a fault', () => {
  for (const whole of [png(), gif(), jpeg(), webp()]) {
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
