/** Fuzz targets of what the Content Server is brought: octets of any kind, and references to objects in a PUBLISH. */

import assert from 'node:assert/strict'
import { isOfType, mediaKind } from '../../src/entities/content-server/media-type.ts'
import { pathHere, readObjectPath } from '../../src/entities/content-server/uri.ts'
import { publicationBody } from '../../src/entities/presence-server/publication-body.ts'
import type { ObjectStore } from '../../src/entities/presence-server/published-objects.ts'
import { mediaType } from '../../src/protocols/http/message.ts'
import { ParseError, SipRefusal } from '../../src/protocols/sip/errors.ts'
import { SipRequest } from '../../src/protocols/sip/message.ts'
import { defaultSettings } from '../../src/settings.ts'
import type { Turn } from '../../src/turn.ts'
import { framesOfGif, framesOfPng, framesOfWebp, gif, jpeg, png, webp } from '../unit/entities/content-server/images.ts'
import type { FuzzTarget } from './run.ts'

const settings = defaultSettings({})
const turn = { settings, now: 0 } as Turn
const document = { type: 'application/pidf+xml', bytes: Buffer.from('<presence/>') }

export const targets: readonly FuzzTarget[] = [
  {
    name: 'media-type',
    seeds: [
      png(),
      gif(),
      jpeg(),
      webp(),
      ...[framesOfGif, framesOfPng, framesOfWebp].map(frames => frames(9, 9, [9, 9], [3, 3])),
      Buffer.from('BEGIN:VCARD\n'),
      Buffer.from(' <?xml version="1.0"?>'),
      Buffer.from('OggS'),
    ],
    run(bytes) {
      const kind = mediaKind(bytes)
      assert.ok(kind === undefined || isOfType(kind.type, kind))
      // What is one image is no other, and never a page.
      assert.ok(!isOfType('text/html', kind) || kind?.type === 'text/plain' || kind?.type === 'application/xml')
    },
  },
  {
    name: 'indirect-body',
    seeds: [
      'message/external-body; access-type="URL"; URL="https://box.example:8443/content/users/sip:alice@box.example/x"; size=11',
      'message/external-body;ACCESS-TYPE=url;url="http://127.0.0.1/content/users/alice/%00";expiration="Mon, 24 Jun 2030 09:00:00 GMT"',
      'message/external-body; access-type="URL"; URL="http://box.example@evil.example/content/users/alice/x"; hash=00',
    ].map(text => Buffer.from(text)),
    run(bytes) {
      const type = Buffer.from(bytes).toString('latin1')
      if (mediaType(type) !== 'message/external-body') return
      const body = published(type, bytes)
      assert.ok(body === undefined || ('document' in body && body.document === document.bytes))
    },
  },
  {
    name: 'publication-body',
    seeds: [
      [
        'Content-Type: multipart/related;boundary=c;start="<r>"\r\n\r\n--c\r\nContent-ID: <r>\r\nContent-Type: application/pidf+xml\r\n\r\n<presence a="cid:i"><b>cid:j</b></presence>\r\n--c\r\nContent-ID: <i>\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--c\r\nContent-ID: <j>\r\nContent-Disposition: icon;handling=optional\r\nContent-Type: image/bmp\r\n\r\n.\r\n--c--',
        'Content-Type: text/plain\r\nContent-Disposition: render;handling=optional\r\n\r\nx',
      ],
      [
        'Content-Type: message/external-body;access-type="URL";URL="https://box.example/content/users/alice/x"\r\n\r\nContent-Type: application/pidf+xml\r\n\r\n',
      ],
    ].map(parts => Buffer.from(`${parts.map(part => `--b\r\n${part}\r\n`).join('')}--b--`)),
    run(bytes) {
      for (const kind of ['mixed', 'alternative', 'related']) published(`multipart/${kind};boundary=b`, bytes)
    },
  },
]

/** What a PUBLISH with such a body comes to; undefined when it is refused. */
function published(type: string, bytes: Uint8Array): ReturnType<typeof publicationBody> | undefined {
  const request = new SipRequest('PUBLISH', 'sip:alice@box.example', [['Content-Type', type]], bytes)
  try {
    return publicationBody(request, 'sip:alice@box.example', {}, store, turn)
  } catch (error) {
    if (error instanceof SipRefusal || error instanceof ParseError) return undefined
    throw error
  }
}

/** Everything fits that has an even number of octets; only URIs of the box are asked for. */
const store: ObjectStore = {
  uriOf: (_owner, { bytes }) => `https://box.example/content/users/alice/${bytes.length}`,
  named(_owner, uri) {
    const below = pathHere(uri, settings)
    if (below === undefined) return 'elsewhere'
    const { hostname, username } = new URL(uri)
    assert.ok(username === '' && (hostname === 'box.example' || /^[\d.]+$|^\[/.test(hostname)), uri)
    return readObjectPath(below, identifier => identifier) === undefined ? 'missing' : document
  },
  fits: (_owner, objects) => objects.every(({ bytes }) => bytes.length % 2 === 0),
  toStore: () => undefined,
  troubleOf: () => [],
  store: () => [],
}
