/**
 * PUBLISH with MIME objects in it (24.141 §5.3, RFC 2387, RFC 2392; CS-11, PS-14, PRS-15): stored, referred to where they are
 * stored, and gone with the publication.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { gif, png } from '../../unit/entities/content-server/images.ts'
import { one, rule, ruleset } from '../../unit/entities/presence-server/rules/rules-of.ts'
import { WholeBox } from '../whole-box.ts'

const hour = 3_600_000
const icon = (reference: string) =>
  `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="sip:alice@box.example"><dm:person id="p"><r:status-icon>${reference}</r:status-icon></dm:person></presence>`

function related(...parts: ReadonlyArray<readonly [headers: string, body: string | Buffer]>): Buffer {
  const pieces = parts.flatMap(([headers, body]) => [
    Buffer.from(`--b1\r\n${headers}\r\n\r\n`),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from('--b1--\r\n')])
}

const root = (reference: string) =>
  ['Content-Type: application/pidf+xml\r\nContent-ID: <root@alice>', icon(reference)] as const
const part = (image: Buffer, type = 'image/png', id = 'icon@alice') =>
  [`Content-Type: ${type}\r\nContent-ID: <${id}>\r\nContent-Transfer-Encoding: binary`, image] as const
const type = 'multipart/related;type="application/pidf+xml";start="<root@alice>";boundary=b1'

async function publish(
  box: WholeBox,
  body: Buffer,
  contentType = type,
  headers: readonly string[] = [],
): Promise<string> {
  const before = box.sent.length
  await box.sip(
    'PUBLISH',
    'alice',
    ['Event: presence', 'Expires: 7200', `Content-Type: ${contentType}`, ...headers],
    body,
  )
  return box.sent.slice(before).find(message => message.startsWith('SIP/2.0'))!
}

async function watched(settings: Readonly<Record<string, string | number>> = {}): Promise<WholeBox> {
  const box = new WholeBox({ 'content.graceSeconds': 3600, ...settings })
  const rules = ruleset(
    rule(
      one('sip:bob@box.example'),
      'allow',
      '<provide-persons><all-persons/></provide-persons><provide-status-icon>true</provide-status-icon>',
    ),
  )
  const at = '/xcap-root/pres-rules/users/sip:alice@box.example/index'
  assert.equal((await box.http('PUT', at, { body: rules, type: 'application/auth-policy+xml' })).status, 201)
  await box.sip('SUBSCRIBE', 'bob', ['Event: presence', 'Expires: 86400', 'Contact: <sip:bob@10.0.0.2>'])
  return box
}

const iconTold = (box: WholeBox): string =>
  /status-icon[^>]*>([^<]*)</.exec(box.sent.findLast(message => message.startsWith('NOTIFY'))!)![1]!

test('CS-11: the object is stored, and watchers are told where', async () => {
  const box = await watched()
  assert.match(await publish(box, related(root('cid:icon@alice'), part(png()))), /^SIP\/2.0 200 /)
  const uri = iconTold(box)
  assert.match(uri, /^https:\/\/box\.example:8443\/content\/users\/sip:alice@box\.example\/\w+$/)
  const got = await box.http('GET', new URL(uri).pathname, { user: 'bob' })
  assert.equal(got.status, 200)
  assert.equal(got.headers['Content-Type'], 'image/png')
  assert.deepEqual(Buffer.from(got.body!), png())
})

test('CS-07: the same object again has the same URI, and another one another', async () => {
  const box = await watched()
  await publish(box, related(root('cid:icon@alice'), part(png())))
  const first = iconTold(box)
  await publish(box, related(root('cid:other%40alice'), part(png(), 'image/png', 'other@alice')))
  assert.equal(iconTold(box), first)
  assert.equal(box.count('content-objects'), 1)
  await publish(box, related(root('cid:icon@alice'), part(gif(), 'image/gif')))
  assert.equal(box.count('content-objects'), 2)
})

test('CS-13: the object goes after the publication', async () => {
  const box = await watched()
  await publish(box, related(root('cid:icon@alice'), part(png())))
  await box.pass(2 * hour - 1)
  assert.equal(box.count('content-objects'), 1)
  await box.pass(hour + 1)
  assert.equal(box.count('content-objects'), 0)
})

test('CS-13, CS-14: what earlier publications left behind is in nobody’s way, but what is referred to, or was stored apart, is', async () => {
  const box = await watched({ 'content.userOctets': 1_000, 'content.objectOctets': 500 })
  const tag = (answer: string): string => /SIP-ETag: (\S+)/.exec(answer)![1]!
  const send = (width: number, last: string) =>
    publish(
      box,
      related(root('cid:icon@alice'), part(png(width, 80, 400))),
      type,
      last === '' ? [] : [`SIP-If-Match: ${last}`],
    )
  let last = ''
  for (const width of [60, 61, 62, 63, 60, 64]) {
    const answer = await send(width, last)
    assert.match(answer, /^SIP\/2.0 200 /, String(width))
    last = tag(answer)
    assert.ok(box.count('content-objects') <= 2)
    const { status } = await box.http('GET', new URL(iconTold(box)).pathname, { user: 'bob' })
    assert.equal(status, 200)
  }
  const apart = '/content/users/sip:alice@box.example/apart.png'
  assert.equal((await box.http('PUT', apart, { body: png(1, 1, 200), type: 'image/png' })).status, 201)
  // Two publications with an icon each, and an object of 200 octets: there is no room for a third.
  last = tag(await send(65, ''))
  assert.match(await send(66, ''), /^SIP\/2.0 413 /)
  assert.match(await send(66, last), /^SIP\/2.0 413 /)
  assert.equal((await box.http('GET', apart)).status, 200)
})

test('the document alone, objects nobody refers to, and a root that is not first', async () => {
  const box = await watched()
  assert.match(await publish(box, related(part(png()), root('cid:icon@alice'))), /^SIP\/2.0 200 /)
  assert.match(iconTold(box), /^https:/)
  const other = await watched()
  assert.match(await publish(other, related(root('https://example.com/i'), part(png()))), /^SIP\/2.0 200 /)
  assert.equal(iconTold(other), 'https://example.com/i')
  assert.equal(other.count('content-objects'), 0)
  assert.match(await publish(other, related(root('https://example.com/i'))), /^SIP\/2.0 200 /)
})

test('RFC 4483 §5.4 (CS-04): an object that is elsewhere is referred to there, and asked for by nobody here', async () => {
  const box = await watched()
  const external =
    'Content-Type: message/external-body; access-type="URL"; URL="http://169.254.169.254/a?b=1&c=2"; expiration="Mon, 24 June 2030 09:00:00 GMT"\r\nContent-ID: <icon@alice>'
  const answer = await publish(box, related(root('cid:icon@alice'), [external, 'Content-Type: image/png\r\n\r\n']))
  assert.match(answer, /^SIP\/2.0 200 /)
  assert.equal(iconTold(box), 'http://169.254.169.254/a?b=1&amp;c=2')
  assert.equal(box.count('content-objects'), 0)
})

test('a body in deflate is one like any other (RFC 3261 §20.12)', async () => {
  const box = await watched()
  const body = deflateSync(related(root('cid:icon@alice'), part(png())))
  assert.match(await publish(box, body, type, ['Content-Encoding: deflate']), /^SIP\/2.0 200 /)
  assert.match(iconTold(box), /^https:/)
  assert.match(await publish(box, Buffer.from('?'), type, ['Content-Encoding: deflate']), /^SIP\/2.0 400 /)
  assert.match(await publish(box, Buffer.from('?'), type, ['Content-Encoding: br']), /^SIP\/2.0 415 /)
})

test('what is wrong with it is said, and then nothing has been stored', async () => {
  const box = await watched()
  const refusals: ReadonlyArray<readonly [Buffer, string, number]> = [
    [related(root('cid:none@alice'), part(png())), type, 400],
    [related(root('cid:root@alice'), part(png())), type, 400],
    [related(part(png())), type, 400],
    [Buffer.from('nothing'), type, 400],
    [related(root('cid:icon@alice'), part(png())), 'multipart/related', 400],
    [related(['Content-Type: text/plain\r\nContent-ID: <root@alice>', 'x'], part(png())), type, 415],
    [related(root('cid:icon@alice'), part(png(), 'image/gif')), type, 415],
    [related(root('cid:icon@alice'), part(png(), 'application/zip')), type, 415],
    [
      related(root('cid:icon@alice'), [
        'Content-Type: message/external-body; access-type=FTP\r\nContent-ID: <icon@alice>',
        '',
      ]),
      type,
      400,
    ],
    [related(root('cid:icon@alice'), ...Array.from({ length: 16 }, () => part(png()))), type, 400],
    [
      related(['Content-Type: application/pidf+xml\r\nContent-ID: <root@alice>', '<presence/>'], part(png())),
      type,
      400,
    ],
  ]
  for (const [body, contentType, status] of refusals)
    assert.match(await publish(box, body, contentType), new RegExp(`^SIP/2.0 ${status} `), body.toString('latin1'))
  assert.equal(box.count('content-objects'), 0)
  assert.equal(box.count('publications'), 0)
})

test('CS-14: the type of an object is said to watchers, so it has no characters that could end a line', async () => {
  for (const parameter of ['x="\u010d\u010aSet-Cookie: a=b"', 'x=a\rb', 'x="é"', 'x=\x7f']) {
    const box = await watched()
    const answer = await publish(box, related(root('cid:icon@alice'), part(png(), `image/png; ${parameter}`)))
    assert.match(answer, /^SIP\/2.0 415 /, parameter)
    assert.equal(box.count('content-objects'), 0)
  }
})

test('PS-14: an object too large is 413; none at all are taken where the limit is 0', async () => {
  const box = new WholeBox({ 'content.objectOctets': 1_000 })
  const body = (octets: number) => related(root('cid:icon@alice'), part(png(60, 80, octets)))
  assert.match(await publish(box, body(1_001)), /^SIP\/2.0 413 /)
  assert.match(await publish(box, body(1_000)), /^SIP\/2.0 200 /)
  assert.match(await publish(new WholeBox({ 'content.objectOctets': 0 }), body(100)), /^SIP\/2.0 413 /)
})

describe('CS-09, RFC 4483 §5.5, RFC 3261 §20.11: an object that may be ignored does not fail the request', () => {
  const optional = 'Content-Disposition: icon;handling=optional'
  const iconless = /person[^>]*><\/dm:person>|person[^>]*\/>/
  const ignored: ReadonlyArray<readonly [why: string, headers: string, body: string | Buffer]> = [
    ['of a type that is not taken', 'Content-Type: image/svg+xml', '<svg/>'],
    ['that is not what it is said to be', 'Content-Type: image/png', '<svg/>'],
    ['too large', 'Content-Type: image/png', png(60, 80, 2_000)],
    ['with too many pixels', 'Content-Type: image/png', png(60_000, 60_000)],
    ['in a transfer encoding not known', 'Content-Type: image/png\r\nContent-Transfer-Encoding: x-own', png()],
    ['that is elsewhere, it does not say where', 'Content-Type: message/external-body; access-type=FTP', ''],
    ['of a Content-Type that is none', 'Content-Type: message/external-body; URL="', ''],
    [
      'that is elsewhere no longer (§5.7)',
      'Content-Type: message/external-body; access-type="URL"; URL="http://a.example/i"; expiration="Mon, 24 Jun 2002 09:00:00 GMT"',
      '',
    ],
  ]
  for (const [why, headers, body] of ignored)
    test(`one ${why} is left out, and what refers to it`, async () => {
      const box = await watched({ 'content.objectOctets': 1_000 })
      const without = related(root('cid:icon@alice'), [`${headers}\r\nContent-ID: <icon@alice>`, body])
      assert.match(await publish(box, without), /^SIP\/2.0 4(?:00|13|15) /)
      const answer = await publish(
        box,
        related(root('cid:icon@alice'), [`${headers}\r\nContent-ID: <icon@alice>\r\n${optional}`, body]),
      )
      assert.match(answer, /^SIP\/2.0 200 /)
      assert.doesNotMatch(box.sent.join(), /cid:/)
      assert.match(box.sent.findLast(message => message.startsWith('NOTIFY'))!, iconless)
      assert.equal(box.count('content-objects'), 0)
    })

  test('one for which there is no room is left out, those that must be there come first', async () => {
    const box = await watched({ 'content.userOctets': 1_000, 'content.objectOctets': 900 })
    const two = icon('cid:icon@alice').replace(
      '<r:status-icon>',
      '<r:status-icon>cid:other</r:status-icon><r:status-icon>',
    )
    const others = (more: string) => [
      ['Content-Type: application/pidf+xml\r\nContent-ID: <root@alice>', two] as const,
      [`Content-Type: image/png\r\nContent-ID: <other>${more}`, png(60, 80, 600)] as const,
      part(png(61, 80, 600)),
    ]
    assert.match(await publish(box, related(...others(''))), /^SIP\/2.0 413 /)
    assert.match(await publish(box, related(...others(`\r\n${optional}`))), /^SIP\/2.0 200 /)
    assert.equal(box.count('content-objects'), 1)
    assert.deepEqual(Buffer.from((await box.http('GET', new URL(iconTold(box)).pathname)).body!), png(61, 80, 600))
  })

  test('one that cannot be stored on a Content Server elsewhere is left out; others wait for their answers', async () => {
    const box = await watched({ 'prs15.root': 'http://store.example/c' })
    box.servers.set('http://store.example', ({ body }) => ({
      status: body!.length === 300 ? 507 : 201,
      headers: {},
      body: new Uint8Array(0),
    }))
    const two = icon('cid:icon@alice').replace(
      '<r:status-icon>',
      '<r:status-icon>cid:other</r:status-icon><r:status-icon>',
    )
    const withOther = (disposition: string) =>
      related(
        ['Content-Type: application/pidf+xml\r\nContent-ID: <root@alice>', two],
        [`Content-Type: image/png\r\nContent-ID: <other>${disposition}`, png(60, 80, 300)],
        part(png()),
      )
    assert.match(await publish(box, withOther('')), /^SIP\/2.0 413 /)
    assert.match(await publish(box, withOther(`\r\n${optional}`)), /^SIP\/2.0 200 /)
    const told = box.sent.findLast(message => message.startsWith('NOTIFY'))!
    assert.equal(told.match(/<r:status-icon>/g)?.length, 1)
    assert.doesNotMatch(told, /cid:/)
  })

  test('a part that nothing refers to is nobody’s concern; one in base64 is taken', async () => {
    const box = await watched()
    const coded = [
      'Content-Type: image/png\r\nContent-ID: <icon@alice>\r\nContent-Transfer-Encoding: base64',
      png().toString('base64').replace(/.{76}/g, '$&\r\n'),
    ] as const
    assert.match(
      await publish(box, related(root('cid:icon@alice'), ['Content-Type: x/y', '.'], coded)),
      /^SIP\/2.0 200 /,
    )
    assert.deepEqual(Buffer.from((await box.http('GET', new URL(iconTold(box)).pathname)).body!), png())
  })
})

test('RFC 4483 §5.6: what is elsewhere is referred to by the Content-ID of what it stands for, too', async () => {
  const box = await watched()
  const external = 'Content-Type: message/external-body; access-type="URL"; URL="http://a.example/o\'clock"'
  const inner = 'Content-Type: image/png\r\nContent-ID: <icon@alice>\r\n\r\n'
  assert.match(await publish(box, related(root('cid:icon@alice'), [external, inner])), /^SIP\/2.0 200 /)
  assert.equal(iconTold(box), 'http://a.example/o&#39;clock')
})

test('a deflated body may unfold to as much as one that is not', async () => {
  const box = await watched()
  const body = deflateSync(related(root('cid:icon@alice'), part(png(60, 80, 50_000))))
  assert.match(await publish(box, body, type, ['Content-Encoding: deflate']), /^SIP\/2.0 200 /)
})
