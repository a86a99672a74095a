/** RFC 4660 and RFC 4661: filters of watchers, for presence. */

import { strict as assert } from 'node:assert'
import { beforeEach, describe, it } from 'node:test'
import { presenceGrammar } from '../../../src/documents/grammar/presence.ts'
import { validate } from '../../../src/documents/grammar/validate.ts'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { limits } from '../../../src/limits.ts'
import type { HeaderField, SipResponse } from '../../../src/protocols/sip/message.ts'
import { PartialView } from '../../actors/partial-view.ts'
import { alice, bob, carol, PresenceWorld, text } from '../../unit/entities/presence-server/presence-world.ts'

let world: PresenceWorld
let tag: string | undefined
let step = 0

function document(options: { basic?: string; note?: string; priority?: string; extra?: string } = {}): string {
  const { basic = 'open', note = 'first', priority = '0.8', extra = '' } = options
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" entity="${alice}">
<tuple id="im"><status><basic>${basic}</basic></status><r:class>IM</r:class><contact priority="${priority}">sip:alice@192.0.2.7</contact><note xml:lang="en">${note}</note></tuple>
<tuple id="voice"><status><basic>closed</basic></status><r:class>voice</r:class></tuple>${extra}
<d:person id="p"><r:activities><r:away/></r:activities><r:mood><r:happy/></r:mood></d:person>
<d:device id="d"><r:user-input>idle</r:user-input><d:deviceID>urn:uuid:1</d:deviceID></d:device>
</presence>`
}

function publish(body: string): void {
  const headers: HeaderField[] = [
    ['Event', 'presence'],
    ['Content-Type', 'application/pidf+xml'],
  ]
  if (tag !== undefined) headers.push(['SIP-If-Match', tag])
  const response = world.request('PUBLISH', alice, { headers, body })
  assert.equal(response.status, 200, response.reason)
  tag = response.header('SIP-ETag')!
}

beforeEach(() => {
  world = new PresenceWorld()
  tag = undefined
  publish(document())
})

const bindings =
  '<ns-bindings><ns-binding prefix="pidf" urn="urn:ietf:params:xml:ns:pidf"/><ns-binding prefix="rpid" urn="urn:ietf:params:xml:ns:pidf:rpid"/><ns-binding prefix="dm" urn="urn:ietf:params:xml:ns:pidf:data-model"/></ns-bindings>'

function set(filters: string, attributes = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"${attributes}>${bindings}${filters}</filter-set>`
}

/** A filter whose content is `what` and triggers. */
function filter(content: string, attributes = ''): string {
  return `<filter id="1"${attributes}>${content}</filter>`
}

function include(...expressions: string[]): string {
  return filter(`<what>${expressions.map(one => `<include>${one}</include>`).join('')}</what>`)
}

function exclude(...expressions: string[]): string {
  return filter(`<what>${expressions.map(one => `<exclude>${one}</exclude>`).join('')}</what>`)
}

function subscribe(filters: string, headers: HeaderField[] = []): SipResponse {
  return world.request('SUBSCRIBE', alice, {
    from: bob,
    headers: [['Event', 'presence'], ['Content-Type', 'application/simple-filter+xml'], ...headers],
    body: filters.startsWith('<?xml') ? filters : set(filters),
  })
}

function refresh(accepted: SipResponse, filters?: string): SipResponse {
  return world.resubscribe(accepted, {
    cseq: accepted.cseq.number + ++step,
    headers: filters === undefined ? [] : [['Content-Type', 'application/simple-filter+xml'] as const],
    ...(filters === undefined ? {} : { body: set(filters) }),
  })
}

/** The last body, valid by the grammar, without white space between elements. */
function told(): string {
  const { body } = world.sent.at(-1)!.request
  if (body.length === 0) return ''
  validate(parseXml(body), presenceGrammar)
  return text(body)
    .replace(/^<\?.*\?>\n/, '')
    .replace(/>\s+</g, '><')
}

/** What is in the presence element of the last body. */
function content(): string {
  return told()
    .replace(/^<presence[^>]*>/, '')
    .replace(/<\/presence>\s*$/, '')
    .trim()
}

function shows(filters: string, expected: string): void {
  assert.equal(subscribe(filters).status, 200)
  assert.equal(content(), expected)
}

const im =
  '<tuple id="im"><status><basic>open</basic></status><r:class>IM</r:class><contact priority="0.8">sip:alice@192.0.2.7</contact><note xml:lang="en">first</note></tuple>'
const basics =
  '<tuple id="im"><status><basic>open</basic></status></tuple><tuple id="voice"><status><basic>closed</basic></status></tuple>'

describe('RFC 4661 §3.5.1, §5: include', () => {
  it('selects elements with their ancestors, and what these must have', () => {
    shows(include('/pidf:presence/pidf:tuple/pidf:status/pidf:basic'), basics)
    shows(include('/presence/tuple/status/basic'), basics)
    shows(include('//pidf:basic'), basics)
    shows(include('//pidf:tuple/*/pidf:basic'), basics)
    shows(include('/*/*/*/pidf:basic'), basics)
  })
  it('adds mandatory elements and attributes with their values', () => {
    shows(
      include('//pidf:note'),
      '<tuple id="im"><status><basic>open</basic></status><note xml:lang="en">first</note></tuple>',
    )
    shows(
      include('//rpid:user-input'),
      '<d:device id="d"><r:user-input>idle</r:user-input><d:deviceID>urn:uuid:1</d:deviceID></d:device>',
    )
  })
  it('selects attributes, with the element they belong to', () => {
    subscribe(include('//pidf:contact/@priority'))
    assert.match(content(), /<contact priority="0.8"/)
    assert.doesNotMatch(content(), /<note|<d:person/)
  })
  it('adds up', () => {
    shows(
      include('//rpid:mood', '//rpid:activities'),
      '<d:person id="p"><r:activities><r:away/></r:activities><r:mood><r:happy/></r:mood></d:person>',
    )
  })
  it('by a condition on elements and attributes, with and, or and comparison', () => {
    shows(include('//pidf:tuple[rpid:class="IM"]'), im)
    shows(include(`//pidf:tuple[rpid:class='IM' or rpid:class="MMS"]`), im)
    shows(include('//pidf:tuple[pidf:status/pidf:basic="open" and rpid:class="IM"]'), im)
    shows(include('/pidf:presence/pidf:tuple[*/pidf:basic="open"]'), im)
    shows(include('//pidf:tuple[@id="im"]'), im)
    shows(include('//*[pidf:contact/@priority&gt;0.5]'), im)
    shows(include('//*[pidf:contact/@priority&lt;0.5]'), '')
    shows(
      include('//pidf:note[.="first"]'),
      '<tuple id="im"><status><basic>open</basic></status><note xml:lang="en">first</note></tuple>',
    )
    shows(
      include('//pidf:note[../rpid:class="IM"]'),
      '<tuple id="im"><status><basic>open</basic></status><note xml:lang="en">first</note></tuple>',
    )
    shows(
      include(
        '/pidf:presence/pidf:tuple[rpid:class="IM" or rpid:class="SMS"\n or rpid:class="MMS"]/pidf:status/pidf:basic',
      ),
      '<tuple id="im"><status><basic>open</basic></status></tuple>',
    )
  })
  it('§6.4: by namespace', () => {
    shows(
      filter('<what><include type="namespace">\n urn:ietf:params:xml:ns:pidf\n</include></what>'),
      '<tuple id="im"><status><basic>open</basic></status><contact priority="0.8">sip:alice@192.0.2.7</contact><note xml:lang="en">first</note></tuple><tuple id="voice"><status><basic>closed</basic></status></tuple>',
    )
  })
  it('RFC 4660 §5.3.1: when nothing is left the NOTIFY is empty', () => {
    assert.equal(subscribe(include('//pidf:tuple[rpid:class="none"]')).status, 200)
    assert.equal(told(), '')
    assert.equal(world.sent.at(-1)!.request.hasHeader('Content-Type'), false)
    const before = world.sent.length
    publish(document({ note: 'second' }))
    assert.equal(world.sent.length, before)
  })
})

describe('RFC 4661 §3.5.2: exclude', () => {
  it('takes elements and attributes away', () => {
    subscribe(
      exclude('//pidf:note', '//dm:person', '//dm:device', '//pidf:contact/@priority', '//pidf:tuple[@id="voice"]'),
    )
    assert.equal(
      content(),
      '<tuple id="im"><status><basic>open</basic></status><r:class>IM</r:class><contact>sip:alice@192.0.2.7</contact></tuple>',
    )
  })
  it('§6.6: from what was included', () => {
    shows(
      filter(
        '<what><include type="namespace">urn:ietf:params:xml:ns:pidf</include><exclude>/pidf:presence/pidf:tuple/pidf:note</exclude></what>',
      ),
      '<tuple id="im"><status><basic>open</basic></status><contact priority="0.8">sip:alice@192.0.2.7</contact></tuple><tuple id="voice"><status><basic>closed</basic></status></tuple>',
    )
  })
  it('leaves what is mandatory', () => {
    subscribe(exclude('//pidf:status', '//@id', '//dm:deviceID', '/pidf:presence/@entity'))
    assert.match(told(), /entity="sip:alice/)
    assert.match(content(), /<tuple id="im"><status><basic>open/)
    assert.match(content(), /<d:device id="d">.*deviceID/)
  })
  it('by namespace', () => {
    subscribe(filter('<what><exclude type="namespace">urn:ietf:params:xml:ns:pidf:rpid</exclude></what>'))
    assert.doesNotMatch(told(), /rpid|<r:/)
    assert.match(content(), /<d:device id="d"><d:deviceID>/)
  })
  it('of everything leaves an empty NOTIFY', () => {
    for (const all of ['/pidf:presence/*', '/pidf:presence', '//*']) shows(exclude(all), '')
  })
})

describe('RFC 4661 §3.6: triggers', () => {
  const onBasic = (attributes = '') =>
    `<trigger><changed${attributes}>/pidf:presence/pidf:tuple/pidf:status/pidf:basic</changed></trigger>`
  /** How many NOTIFYs the publications cause. */
  function count(...documents: string[]): number[] {
    return documents.map(body => {
      const before = world.sent.length
      publish(body)
      return world.sent.length - before
    })
  }

  it('RFC 4660 §5.3.1: are not looked at for the first NOTIFY', () => {
    subscribe(filter(onBasic(' from="open" to="closed"')))
    assert.match(content(), /<d:person/)
  })
  it('changed: only a change of the value causes a NOTIFY, of all that is to be told', () => {
    subscribe(filter(onBasic()))
    assert.deepEqual(
      count(
        document({ note: 'x' }),
        document({ basic: 'closed', note: 'x' }),
        document({ basic: 'closed', note: 'y' }),
      ),
      [0, 1, 0],
    )
    assert.match(content(), />x</)
  })
  it('from and to, as §6.2 writes them', () => {
    subscribe(filter(onBasic(' from="CLOSED" to="OPEN"')))
    assert.deepEqual(
      count(document({ basic: 'closed' }), document({ basic: 'open' })),
      [0, 0],
      'the document sent last said open',
    )
    world = new PresenceWorld()
    tag = undefined
    publish(document({ basic: 'closed' }))
    subscribe(filter(onBasic(' from="CLOSED" to="OPEN"')))
    assert.deepEqual(
      count(document({ basic: 'closed', note: 'x' }), document({ basic: 'open' }), document({ basic: 'closed' })),
      [0, 1, 0],
    )
  })
  it('by: a number that has changed by at least so much', () => {
    subscribe(filter('<trigger><changed by="0.2">//pidf:contact/@priority</changed></trigger>'))
    assert.deepEqual(
      count(
        document({ priority: '0.7' }),
        document({ priority: '0.6' }),
        document({ priority: '0.7' }),
        document({ priority: '1.0' }),
      ),
      [0, 1, 0, 1],
    )
  })
  it('added and removed', () => {
    const extra = '<tuple id="new"><status/></tuple>'
    subscribe(filter('<trigger><added>//pidf:tuple</added></trigger>'))
    assert.deepEqual(
      count(document({ note: 'x' }), document({ extra }), document({ extra, note: 'x' }), document()),
      [0, 1, 0, 0],
    )
    world = new PresenceWorld()
    tag = undefined
    publish(document({ extra }))
    subscribe(filter('<trigger><removed>//pidf:tuple[@id="new"]</removed></trigger>'))
    assert.deepEqual(count(document({ extra, note: 'x' }), document()), [0, 1])
  })
  it('all in one trigger, any of several', () => {
    const changed = (expression: string) => `<changed>${expression}</changed>`
    subscribe(
      filter(
        `<trigger>${changed('//pidf:basic')}${changed('//pidf:note')}</trigger><trigger>${changed('//pidf:contact/@priority')}</trigger>`,
      ),
    )
    assert.deepEqual(
      count(
        document({ basic: 'closed' }),
        document({ note: 'x' }),
        document({ basic: 'closed', note: 'x' }),
        document({ basic: 'closed', note: 'x', priority: '0.1' }),
      ),
      [0, 0, 1, 1],
    )
  })
  it('with what: the content is that of what', () => {
    subscribe(filter(`<what><include>//pidf:note</include></what>${onBasic()}`))
    assert.deepEqual(count(document({ note: 'x' }), document({ note: 'x', basic: 'closed' })), [0, 1])
    assert.match(content(), />x<\/note>/)
    assert.doesNotMatch(content(), /contact/)
  })
  it('with partial notification: the change since what was told', () => {
    const view = new PartialView()
    subscribe(filter(onBasic()), [['Accept', 'application/pidf+xml, application/pidf-diff+xml']])
    assert.deepEqual(count(document({ note: 'x' }), document({ note: 'x', basic: 'closed' })), [0, 1])
    for (const { request } of world.sent) view.receive(request.contentType?.type, text(request.body))
    assert.deepEqual([view.faults, view.version, view.last], [[], 2, 'pidf-diff'])
    assert.match(view.canonical!, /"x"/)
  })
  it('after a restart the next change is told, whatever it is', () => {
    subscribe(filter(onBasic()))
    world.pass(120)
    world.restart()
    assert.deepEqual(count(document({ note: 'x' }), document({ note: 'y' })), [1, 0])
  })
})

describe('RFC 4660 §5.3: only what is there after the filter causes a NOTIFY', () => {
  it('what alone: a change outside of it is nothing to tell', () => {
    subscribe(include('//pidf:basic'))
    const before = world.sent.length
    publish(document({ note: 'x' }))
    assert.equal(world.sent.length, before)
    publish(document({ note: 'x', basic: 'closed' }))
    assert.equal(world.sent.length, before + 1)
    assert.equal(content(), basics.replace('open', 'closed'))
  })
  it('applies after the rules of the presentity (PS-111)', () => {
    world.set('presence.defaultHandling', 'polite-block')
    subscribe(include('//pidf:note', '//pidf:basic'))
    assert.equal(content(), '<tuple id="unpublished"><status><basic>closed</basic></status></tuple>')
  })
  it('applies to a fetch', () => {
    subscribe(include('//pidf:basic'), [['Expires', '0']])
    assert.equal(content(), basics)
  })
})

describe('RFC 4660 §5.2: which filters apply', () => {
  it('§5.2.1: one for the resource, by its URI or without', () => {
    shows(filter('<what><include>//pidf:basic</include></what>', ` uri="${alice}"`), basics)
    shows(filter('<what><include>//pidf:basic</include></what>', ' uri="SIP:alice@BOX.example"'), basics)
    shows(filter('<what><include>//pidf:basic</include></what>', ' uri="pres:alice@box.example"'), basics)
  })
  it('§5.2.1: not one for another resource, or for a domain that is not ours', () => {
    for (const attributes of [' uri="sip:other@box.example"', ' domain="elsewhere.example"']) {
      assert.equal(subscribe(filter('<what><include>//pidf:basic</include></what>', attributes)).status, 200)
      assert.match(content(), /<d:person/)
    }
  })
  it('§5.2.1: one for our domain, and before it one for the resource', () => {
    shows(filter('<what><include>//pidf:basic</include></what>', ' domain="BOX.example"'), basics)
    shows(
      `<filter id="a" domain="box.example"><what><include>//pidf:note</include></what></filter>${filter('<what><include>//pidf:basic</include></what>')}`,
      basics,
    )
  })
  it('§5.2.2: a SUBSCRIBE without filters leaves them, one with the same id replaces', () => {
    const accepted = subscribe(include('//pidf:basic'))
    assert.equal(refresh(accepted).status, 200)
    assert.equal(content(), basics)
    assert.equal(refresh(accepted, include('//pidf:tuple[@id="im"]')).status, 200)
    assert.equal(content(), im)
  })
  it('§5.2.2, §5.3: disabled, enabled again, and removed', () => {
    const accepted = subscribe(include('//pidf:basic'))
    refresh(accepted, '<filter id="1" enabled="false"/>')
    assert.match(content(), /<d:person/)
    refresh(accepted, '<filter id="1" enabled="true"/>')
    assert.equal(content(), basics)
    refresh(accepted, '<filter id="1" remove="1"/>')
    assert.match(content(), /<d:person/)
    assert.equal(refresh(accepted, '<filter id="1"/>').status, 488)
  })
  it('so many subscriptions of one watcher to one resource may have some, since each change is filtered for each', () => {
    const most = limits.filter.subscriptions
    const accepted = Array.from({ length: most }, () => subscribe(include('//pidf:basic')))
    assert.ok(accepted.every(({ status }) => status === 200))
    const refused = subscribe(include('//pidf:basic'))
    assert.equal(refused.status, 503)
    assert.ok(refused.hasHeader('Retry-After'))
    const without = world.subscribe()
    assert.equal(without.status, 200)
    assert.equal(refresh(without, include('//pidf:basic')).status, 503)
    // Another watcher, and another resource, have their own.
    const headers: HeaderField[] = [
      ['Event', 'presence'],
      ['Content-Type', 'application/simple-filter+xml'],
    ]
    assert.equal(
      world.request('SUBSCRIBE', alice, { from: carol, headers, body: set(include('//pidf:basic')) }).status,
      200,
    )
    assert.equal(
      world.request('SUBSCRIBE', carol, { from: bob, headers, body: set(include('//pidf:basic')) }).status,
      200,
    )
    // One that is without filters, or over, makes room.
    assert.equal(refresh(accepted[0]!, '<filter id="1" remove="true"/>').status, 200)
    assert.equal(refresh(without, include('//pidf:basic')).status, 200)
    const [, second, third] = accepted
    world.resubscribe(second!, { cseq: second!.cseq.number + ++step, expires: 0 })
    assert.equal(subscribe(include('//pidf:basic')).status, 200)
    // Also when it is both at once.
    world.resubscribe(third!, {
      cseq: third!.cseq.number + ++step,
      expires: 0,
      headers: [['Content-Type', 'application/simple-filter+xml']],
      body: set('<filter id="1" remove="true"/>'),
    })
    assert.equal(subscribe(include('//pidf:basic')).status, 200)
    assert.equal(subscribe(include('//pidf:basic')).status, 503)
  })
  it('survive a restart', () => {
    subscribe(include('//pidf:basic'))
    world.restart()
    publish(document({ basic: 'closed' }))
    assert.equal(content(), basics.replace('open', 'closed'))
  })
})

describe('RFC 4660 §5.4: abnormal cases', () => {
  it('another type of body is answered 415', () => {
    const response = world.request('SUBSCRIBE', alice, {
      from: bob,
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'text/plain'],
      ],
      body: 'x',
    })
    assert.equal(response.status, 415)
    assert.deepEqual(response.headers('Accept'), [
      'application/simple-filter+xml',
      'application/vnd.oma.suppnot+xml',
      'multipart/mixed',
    ])
  })
  it('RFC 3261 §8.2.3, §20.11: unless it may be ignored, whatever it is and however it is encoded', () => {
    const subscribe = (disposition: string, more: ReadonlyArray<readonly [string, string]>) =>
      world.request('SUBSCRIBE', alice, {
        from: bob,
        headers: [['Event', 'presence'], ['Content-Disposition', disposition], ...more],
        body: set(include('//pidf:nothing')),
      }).status
    const plain = [['Content-Type', 'text/plain']] as const
    const encoded = [
      ['Content-Type', 'application/simple-filter+xml'],
      ['Content-Encoding', 'br'],
    ] as const
    for (const fields of [plain, encoded]) {
      assert.equal(subscribe('render;handling=required', fields), 415)
      assert.equal(subscribe('render; handling=optional', fields), 200)
      assert.match(content(), /open/)
    }
  })
  it('RFC 5621 §6: so is a part of several that is of another type, unless it may be ignored', () => {
    const part = (type: string, body: string, more = '') => `--b\r\nContent-Type: ${type}\r\n${more}\r\n${body}\r\n`
    const known = part('application/simple-filter+xml', set(include('//pidf:basic')))
    const several = (body: string) =>
      world.request('SUBSCRIBE', alice, {
        from: bob,
        headers: [
          ['Event', 'presence'],
          ['Content-Type', 'multipart/mixed;boundary=b'],
        ],
        body,
      })
    assert.equal(several(`${known}${part('text/plain', 'x')}--b--\r\n`).status, 415)
    assert.equal(several('--b\r\n').status, 400)
    const optional = part('text/plain', 'x', 'Content-Disposition: render;handling=optional\r\n')
    assert.equal(several(`${optional}${known}--b--\r\n`).status, 200)
    assert.equal(content(), basics)
    assert.equal(several(`${known}${known}--b--\r\n`).status, 488)
  })
  for (const [why, body] of [
    [
      'two filters for one resource',
      `${include('//pidf:basic')}<filter id="2" uri="${alice}"><what><include>//pidf:note</include></what></filter>`,
    ],
    [
      'two filters for one domain',
      '<filter id="1" domain="a.b"><what><include>//pidf:note</include></what></filter><filter id="2" domain="A.b"><what><include>//pidf:note</include></what></filter>',
    ],
    ['two filters of one id', `${include('//pidf:basic')}${include('//pidf:basic')}`],
    ['both uri and domain', filter('<what><include>//pidf:basic</include></what>', ' uri="sip:a@b" domain="b"')],
    ['no content', '<filter id="1"/>'],
    ['empty content', '<filter id="1"><what><include> </include></what><trigger/></filter>'],
    ['no id', '<filter><what><include>//pidf:basic</include></what></filter>'],
    ['not of the grammar', '<filter id="1"><which/></filter>'],
    ['a prefix without binding', include('//none:basic')],
    ['a name of Object.prototype as prefix', include('//constructor:basic')],
    ['a relative expression', include('pidf:tuple')],
    ['a function', include('//pidf:tuple[position()=1]')],
    ['an expression that is not closed', include('//pidf:tuple[rpid:class="IM"')],
    ['a condition without comparison', include('//pidf:tuple[rpid:class]')],
    ['an expression that is too long', include(`//pidf:${'a'.repeat(1100)}`)],
    ['too many steps', include('/*'.repeat(40))],
    [
      'too many filters',
      Array.from(
        { length: 17 },
        (_, i) => `<filter id="${i}" domain="d${i}"><what><include>//a</include></what></filter>`,
      ).join(''),
    ],
    ['not well-formed', '<?xml version="1.0"?><filter-set'],
    [
      'another package',
      `<?xml version="1.0"?><filter-set xmlns="urn:ietf:params:xml:ns:simple-filter" package="reg">${include('//a')}</filter-set>`,
    ],
  ] as const) {
    it(`${why} is answered 488`, () => {
      const response = subscribe(body)
      assert.equal(response.status, 488)
      assert.match(response.reason, /^Filter /)
      assert.equal(world.sent.length, 0)
    })
  }
  it('a body that is too large is answered 413', () => {
    assert.equal(subscribe(set(include('//pidf:basic')) + ' '.repeat(20_000)).status, 413)
  })
  it('an expression that takes too long shows the document as if there was no filter', () => {
    const nested = `${'<r:a>'.repeat(12)}${'</r:a>'.repeat(12)}`.repeat(60)
    publish(document({ extra: `<tuple id="big"><status/>${nested}</tuple>` }))
    const started = process.hrtime.bigint()
    assert.equal(subscribe(include(`//*${'//*'.repeat(15)}[.="x" or .="y" or .="z"]`)).status, 200)
    assert.ok(Number(process.hrtime.bigint() - started) / 1e6 < 2_000)
    assert.match(told(), /<d:person|^$/)
  })
})
