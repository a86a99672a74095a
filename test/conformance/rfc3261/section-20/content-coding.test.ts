/** RFC 3261 §20.2 and §20.12: bodies in the coding `deflate`, taken, and sent to who offers to take them. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deflateSync, inflateSync } from 'node:zlib'
import { limits } from '../../../../src/limits.ts'
import type { HeaderField } from '../../../../src/protocols/sip/message.ts'
import { alice, PresenceWorld, pidf, text } from '../../../unit/entities/presence-server/presence-world.ts'

const published: HeaderField[] = [
  ['Event', 'presence'],
  ['Content-Type', 'application/pidf+xml'],
  ['Content-Encoding', 'deflate'],
]
const long = pidf('open').replace('</tuple>', `<note>${'a long note '.repeat(60)}</note></tuple>`)

describe('§20.12 Content-Encoding', () => {
  test('RLS-32: a deflated publication counts as what it was', () => {
    const world = new PresenceWorld()
    const response = world.request('PUBLISH', alice, { headers: published, body: deflateSync(pidf('open')) })
    assert.equal(response.status, 200)
    world.subscribe()
    assert.match(text(world.sent[0]!.request.body), /<basic>open</)
  })

  test('what cannot be inflated is answered 400, what grows too large 413, another coding 415', () => {
    const world = new PresenceWorld()
    const answered = (body: Uint8Array, coding = 'deflate') =>
      world.request('PUBLISH', alice, {
        headers: published.map(([name, value]) => [name, name === 'Content-Encoding' ? coding : value]),
        body,
      }).status
    assert.equal(answered(Buffer.from('no zlib stream')), 400)
    assert.equal(answered(deflateSync(pidf('open')).subarray(0, 40)), 400)
    assert.equal(answered(deflateSync(Buffer.alloc(limits.publicationOctets + 1))), 413)
    assert.equal(answered(deflateSync(pidf('open')), 'gzip'), 415)
    assert.equal(answered(deflateSync(pidf('open')), 'deflate, deflate'), 415)
  })
})

describe('§20.2 Accept-Encoding', () => {
  const notified = (offered: string | undefined) => {
    const world = new PresenceWorld()
    world.request('PUBLISH', alice, { headers: published, body: deflateSync(long) })
    world.subscribe({ headers: offered === undefined ? [] : [['Accept-Encoding', offered]] })
    return world.sent[0]!.request
  }

  test('RLS-32: a long document goes deflated to who offers to take that', () => {
    for (const offered of ['deflate', 'gzip, Deflate;q=0.5', '*']) {
      const request = notified(offered)
      assert.equal(request.header('Content-Encoding'), 'deflate', offered)
      assert.ok(request.body.length < long.length / 2)
      assert.match(inflateSync(request.body).toString(), /a long note/)
    }
  })

  test('and as it is to anybody else', () => {
    for (const offered of [undefined, 'gzip', 'deflate;q=0', 'identity']) {
      const request = notified(offered)
      assert.equal(request.hasHeader('Content-Encoding'), false, String(offered))
      assert.match(text(request.body), /a long note/)
    }
  })
})
