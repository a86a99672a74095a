/** Fuzz targets of what the Content Server is brought: octets of any kind, and references to objects in a PUBLISH. */

import assert from 'node:assert/strict'
import { isOfType, mediaKind } from '../../src/entities/content-server/media-type.ts'
import { pathHere, readObjectPath } from '../../src/entities/content-server/uri.ts'
import { indirectBody } from '../../src/entities/presence-server/indirect-body.ts'
import { ParseError, SipRefusal } from '../../src/protocols/sip/errors.ts'
import { SipRequest } from '../../src/protocols/sip/message.ts'
import { defaultSettings } from '../../src/settings.ts'
import type { Turn } from '../../src/turn.ts'
import { gif, jpeg, png, webp } from '../unit/entities/content-server/images.ts'
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
      const request = new SipRequest('PUBLISH', 'sip:alice@box.example', [['Content-Type', type]], bytes)
      const named = (uri: string) => {
        const below = pathHere(uri, settings)
        if (below === undefined) return 'elsewhere'
        const { hostname, username } = new URL(uri)
        assert.ok(username === '' && (hostname === 'box.example' || /^[\d.]+$|^\[/.test(hostname)), uri)
        return readObjectPath(below, identifier => identifier) === undefined ? 'missing' : document
      }
      try {
        if (request.contentType?.type !== 'message/external-body') return
        const body = indirectBody(request, named, undefined, [], turn)
        assert.ok('document' in body && body.document === document.bytes)
      } catch (error) {
        if (!(error instanceof SipRefusal || error instanceof ParseError)) throw error
      }
    },
  },
]
