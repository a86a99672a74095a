/** RFC 5875 §4: the event package `xcap-diff`. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../src/limits.ts'
import { policyWake } from '../../../src/protocols/sip-events/notifier.ts'
import { at, ChangeWorld, joe, john } from '../../unit/entities/xdms/change-world.ts'

const index = `${at}/index`
const lists = 'resource-lists/users/sip:joe@example.com'
const services = 'rls-services/users/sip:joe@example.com/index'
const list = (inner: string) =>
  `<rl:resource-lists xmlns:rl="urn:ietf:params:xml:ns:resource-lists"><rl:list name="a">${inner}</rl:list></rl:resource-lists>`
const service = (uri: string) =>
  `<s:service uri="${uri}">\n<s:list name="marketing"><rl:entry uri="sip:joe@example.com"/></s:list><s:packages><s:package>presence</s:package></s:packages></s:service>`
const rls = (inner: string) =>
  `<?xml version="1.0"?>\n<s:rls-services xmlns:s="urn:ietf:params:xml:ns:rls-services" xmlns:rl="urn:ietf:params:xml:ns:resource-lists">${inner}</s:rls-services>`

describe('§4.1, §4.4: what is subscribed to', () => {
  test('figure 1 and 2: a document, a component of another, and a collection', () => {
    const world = new ChangeWorld()
    const etag = world.put(`${lists}/index`, list(''))
    world.put(services, rls(service('sip:marketing@example.com')))
    const presence = world.put(
      'pidf-manipulation/users/sip:joe@example.com/index',
      '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:joe@example.com"/>',
    )
    const component = `${services}/~~/*/service%5b@uri='sip:marketing@example.com'%5d`
    world.subscribe([`${lists}/index`, component, 'pidf-manipulation/'], {
      event: 'xcap-diff; diff-processing=aggregate',
      headers: [
        ['Expires', '4200'],
        ['Accept', 'application/xcap-diff+xml'],
      ],
    })
    const { said } = world.last()
    assert.equal(said[0], `${lists}/index  -> ${etag}`)
    assert.equal(said[1], `pidf-manipulation/users/sip:joe@example.com/index  -> ${presence}`)
    assert.equal(said[2], `element ${component} ${service('sip:marketing@example.com')}`, 'octet by octet')
    // What is bound around it in its document is bound around it here.
    assert.match(world.lastBody(), /<d:element [^>]*xmlns:rl="urn:ietf:params:xml:ns:resource-lists"/)
    assert.match(world.lastBody(), /<d:element [^>]*xmlns:s="urn:ietf:params:xml:ns:rls-services"/)
  })

  test('URIs may be absolute, and then the root is told as the subscriber knows it; sel is relative to it', () => {
    const world = new ChangeWorld({ 'xcap.root': '/xcap-root' })
    const etag = world.put(index, '<doc/>')
    world.subscribe([`http://127.0.0.1:8080/xcap-root/${index}`])
    assert.deepEqual(world.last(), { root: 'http://127.0.0.1:8080/xcap-root/', said: [`${index}  -> ${etag}`] })
    world.subscribe([`/xcap-root/${index}`])
    assert.deepEqual(world.last(), { root: 'https://example.com/xcap-root/', said: [`${index}  -> ${etag}`] })
  })

  test('§4.6: sel is octet by octet what was subscribed to, however it is written', () => {
    const world = new ChangeWorld()
    const etag = world.put(index, '<doc id="&lt;"/>')
    for (const uri of ['tests/users/sip%3Ajoe%40example.com/index', 'tests/users/joe/index']) {
      world.subscribe([uri])
      assert.deepEqual(world.last().said, [`${uri}  -> ${etag}`])
    }
    const attribute = 'tests/users/joe/index/~~/*%5B1%5D/@id'
    world.subscribe([attribute])
    assert.deepEqual(world.last().said, [`attribute ${attribute} &lt;`])
  })

  test('a collection is a home directory, a directory in it, all of a usage, or all there is', () => {
    const world = new ChangeWorld({ 'xcap.operators': 'john' })
    const icon =
      '<content xmlns="urn:oma:xml:prs:pres-content"><mime-type>image/gif</mime-type><data>R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7</data></content>'
    const content = 'org.openmobilealliance.pres-content/users/sip:joe@example.com'
    const mine = world.put(`${content}/oma_status-icon/mine`, icon)
    const tests = world.put(index, '<doc/>')
    const template = world.put('resource-lists/global/template', list(''), john)
    const told = (uri: string) => {
      world.subscribe([uri])
      return world.last().said
    }
    const icons = `${content}/oma_status-icon/mine  -> ${mine}`
    assert.deepEqual(told(`${content}/`), [icons])
    assert.deepEqual(told(`${content}/oma_status-icon/`), [icons])
    assert.deepEqual(told(`${content}/other/`), [])
    assert.deepEqual(told('tests/users/joe/'), [`tests/users/joe/index  -> ${tests}`])
    assert.deepEqual(told('resource-lists/'), [`resource-lists/global/template  -> ${template}`])
    assert.deepEqual(told('resource-lists/global/'), [`resource-lists/global/template  -> ${template}`])
    assert.deepEqual(
      new Set(told('/')),
      new Set([icons, `${index}  -> ${tests}`, `resource-lists/global/template  -> ${template}`]),
    )
    assert.deepEqual(told('unheard-of/'), [])
    assert.deepEqual(told('tests/'), [`${index}  -> ${tests}`])
  })

  test('§4.7: what is selected several times is told once, as it was named itself', () => {
    const world = new ChangeWorld()
    const etag = world.put(index, '<doc/>')
    world.subscribe(['tests/', 'tests/users/joe/index', `${at}/`])
    assert.deepEqual(world.last().said, [`tests/users/joe/index  -> ${etag}`])
  })

  test('whatever of the list is no URI of ours, and whatever else stands in it, is ignored', () => {
    const world = new ChangeWorld()
    const etag = world.put(index, '<doc/>')
    const body = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:x="urn:x"><x:y/><list x:a="b"><entry-ref ref="a"/><list><entry uri="${index}"/></list><entry uri="nowhere"/><entry uri="${index}" x:b="c"><display-name>I</display-name></entry><entry uri="http://elsewhere/a/b"/><entry uri="%zz/"/></list></resource-lists>`
    const answer = world.request('SUBSCRIBE', joe, {
      from: joe,
      headers: [
        ['Event', 'xcap-diff'],
        ['Content-Type', 'application/resource-lists+xml'],
      ],
      body,
    })
    assert.equal(answer.status, 200)
    assert.deepEqual(world.last().said, [`${index}  -> ${etag}`])
  })

  test('namespaces cannot be subscribed to, nor can nothing, nor what cannot be read', () => {
    const world = new ChangeWorld()
    assert.equal(world.subscribe([`${index}/~~/doc/namespace::*`]).status, 400)
    assert.equal(world.request('SUBSCRIBE', joe, { from: joe, headers: [['Event', 'xcap-diff']] }).status, 400)
    const broken: [string, string][] = [
      ['Event', 'xcap-diff'],
      ['Content-Type', 'application/resource-lists+xml'],
    ]
    assert.equal(world.request('SUBSCRIBE', joe, { from: joe, headers: broken, body: '<resource-lists' }).status, 400)
    const other = world.request('SUBSCRIBE', joe, {
      from: joe,
      headers: [
        ['Event', 'xcap-diff'],
        ['Content-Type', 'text/plain'],
      ],
      body: 'x',
    })
    assert.equal(other.status, 415)
    assert.equal(world.subscribe([index], { headers: [['Accept', 'application/pidf+xml']] }).status, 406)
  })

  test('a list that is too long is refused, and so is one subscription too many of a user', () => {
    const world = new ChangeWorld()
    const many = Array.from({ length: limits.changeSubscriptions.entries + 1 }, (_, n) => `${at}/${n}`)
    assert.equal(world.subscribe(many).status, 413)
    assert.equal(world.subscribe([`${at}/${'x'.repeat(limits.changeSubscriptions.octets)}`]).status, 413)
    for (let n = 0; n < limits.changeSubscriptions.perUser; n++) assert.equal(world.subscribe([index]).status, 200)
    assert.equal(world.subscribe([index]).status, 503)
    assert.equal(world.subscribe([index], { from: john }).status, 200)
  })

  test('who is nobody of the box is told nothing, and a notifier that does not exist is not found', () => {
    const world = new ChangeWorld()
    assert.equal(world.subscribe([index], { from: 'sip:eve@example.com', to: joe }).status, 403)
    assert.equal(world.subscribe([index], { to: 'sip:nobody@example.com' }).status, 404)
    assert.equal(world.subscribe([index], { to: 'sip:example.com' }).status, 200)
    assert.equal(world.subscribe([index], { to: john }).status, 200)
  })
})

describe('§4.7: notifications', () => {
  test('not existing is pending: the document is told when it is created, and again when it is created anew', () => {
    const world = new ChangeWorld()
    world.subscribe([index])
    assert.deepEqual(world.last().said, [])
    world.pass(5)
    const first = world.put(index, '<doc/>')
    assert.deepEqual(world.last().said, [`${index}  -> ${first}`])
    world.pass(5)
    world.xcap('DELETE', index)
    assert.deepEqual(world.last().said, [`${index} ${first} -> `])
    world.pass(5)
    const second = world.put(index, '<doc/>')
    assert.deepEqual(world.last().said, [`${index}  -> ${second}`])
  })

  test('what comes and goes before it can be told is not told, except with all its versions', () => {
    const world = new ChangeWorld()
    world.subscribe([`${at}/`])
    world.subscribe([`${at}/`], { event: 'xcap-diff;diff-processing=xcap-patching' })
    const etag = world.put(index, '<doc/>')
    world.xcap('DELETE', index)
    const again = world.put(index, '<doc id="a"/>')
    world.pass(5)
    // Who is told first is chance: by the tags of the subscriptions.
    assert.deepEqual(
      new Set(world.told(2).map(({ said }) => said.join(', '))),
      new Set([`${index}  -> ${again}`, `${index}  -> ${etag}, ${index} ${etag} -> , ${index}  -> ${again}`]),
    )
  })

  test('a component: only its latest state, and nothing while it stays the same', () => {
    const world = new ChangeWorld()
    world.put(index, '<doc><a>1</a><b>1</b></doc>')
    const component = `${index}/~~/doc/a`
    world.subscribe([component])
    assert.deepEqual(world.last().said, [`element ${component} <a>1</a>`])
    world.pass(5)
    world.put(`${index}/~~/doc/b`, '<b>2</b>')
    assert.equal(world.sent.length, 1)
    world.put(`${index}/~~/doc/a`, '<a>2</a>')
    world.put(`${index}/~~/doc/a`, '<a>3</a>')
    world.pass(5)
    assert.deepEqual(
      world.told(1).flatMap(({ said }) => said),
      [`element ${component} <a>2</a>`, `element ${component} <a>3</a>`],
    )
    world.put(index, '<doc/>')
    world.pass(5)
    assert.deepEqual(world.last().said, [`element ${component} -`], 'gone with what was around it')
    world.put(`${index}/~~/doc/a`, '<a>4</a>')
    world.pass(5)
    world.xcap('DELETE', index)
    world.pass(5)
    assert.deepEqual(world.last().said, [`element ${component} -`])
  })

  test('a selector that selects several is one that selects nothing', () => {
    const world = new ChangeWorld()
    world.put(index, '<doc><a/><a/></doc>')
    world.subscribe([`${index}/~~/doc/a`])
    assert.deepEqual(world.last().said, [])
  })

  test('a refresh without a list keeps it, with one replaces it, and may change how changes are told', () => {
    const world = new ChangeWorld()
    const one = world.put(index, '<doc/>')
    const other = world.put(`${at}/other`, '<doc/>')
    const accepted = world.subscribe([index])
    world.refresh(accepted)
    assert.deepEqual(world.last().said, [`${index}  -> ${one}`])
    world.refresh(accepted, [`${at}/other`], 'xcap-diff;diff-processing=aggregate')
    assert.deepEqual(world.last().said, [`${at}/other  -> ${other}`])
    const sent = world.sent.length
    world.pass(5)
    world.put(`${index}/~~/doc/@id`, '"a"')
    assert.equal(world.sent.length, sent)
    const changed = world.put(`${at}/other/~~/doc/@id`, '"a"')
    assert.ok(world.last().said[0]!.startsWith(`${at}/other ${other} -> ${changed} <d:add`), world.last().said[0])
  })

  test('one NOTIFY at a time: what changes meanwhile follows its answer, with no version missing', () => {
    const world = new ChangeWorld()
    const first = world.put(index, '<doc/>')
    world.peer = () => undefined
    world.subscribe([index], { event: 'xcap-diff;diff-processing=xcap-patching' })
    world.pass(6)
    const second = world.put(`${index}/~~/doc/@id`, '"a"')
    const third = world.put(`${index}/~~/doc/@id`, '"b"')
    assert.equal(world.sent.length, 1)
    world.peer = () => 200
    world.answer(world.sent[0]!, 200)
    world.pass(5)
    const { said } = world.last()
    assert.equal(said.length, 2)
    assert.ok(said[0]!.startsWith(`${index} ${first} -> ${second} `))
    assert.ok(said[1]!.startsWith(`${index} ${second} -> ${third} `))
  })

  test('a NOTIFY without answer ends the subscription, and nothing is left of it', async () => {
    const world = new ChangeWorld()
    const before = await world.size()
    world.peer = () => undefined
    world.subscribe([index])
    world.pass(33)
    assert.equal(await world.size(), before)
  })

  test('a version that nobody can be patched to is to be fetched: another prolog, or too much', () => {
    const world = new ChangeWorld()
    const first = world.put(index, '<doc/>')
    world.subscribe([index], { event: 'xcap-diff;diff-processing=aggregate' })
    world.pass(5)
    const second = world.put(index, '<!-- new --><doc/>')
    assert.deepEqual(world.last().said, [`${index} ${first} -> ${second}`])
    world.pass(5)
    const third = world.put(index, `<!-- new --><doc><a>${'x'.repeat(100_000)}</a></doc>`)
    assert.deepEqual(world.last().said, [`${index} ${second} -> ${third}`])
  })

  test('a body that would be too large: elements are named without their content, and what has no room follows', () => {
    const world = new ChangeWorld()
    const component = `${index}/~~/doc/a`
    world.put(index, `<doc><a>${'x'.repeat(70_000)}</a></doc>`)
    world.subscribe([component])
    assert.deepEqual(world.last().said, [`element ${component} `])
    for (const auid of ['tests', 'resource-lists', 'org.openmobilealliance.group-usage-list'])
      for (let n = 0; n < 32; n++) {
        const uri = `${auid}/users/sip:joe@example.com/${'x'.repeat(230)}${n}`
        world.put(uri, auid === 'tests' ? (n === 0 ? '<doc id="0"/>' : '<doc/>') : list(''))
        if (auid === 'tests' && n === 30) break
      }
    const before = world.sent.length
    world.subscribe(['/'])
    world.pass(60)
    const told = world.told(before)
    assert.ok(
      world.sent.slice(before).every(({ request }) => request.body.length <= limits.changeSubscriptions.bodyOctets),
    )
    assert.equal(new Set(told.flatMap(({ said }) => said)).size, 96)
  })

  test('whose account goes is told that there is nothing more to be told', async () => {
    const world = new ChangeWorld()
    const before = await world.size()
    world.subscribe([index])
    world.users.delete(joe)
    world.wake(policyWake('xcap-diff', joe, world.now, 'xdms'))
    assert.equal(world.log().at(-1), 'NOTIFY terminated;reason=noresource 2')
    assert.equal(await world.size(), before)
  })

  test('after a restart a subscriber hears of what changed meanwhile, if need be without patches', () => {
    const world = new ChangeWorld()
    world.put(index, '<doc/>')
    const accepted = world.subscribe([index], { event: 'xcap-diff;diff-processing=aggregate' })
    world.pass(40)
    world.restart()
    const etag = world.put(`${index}/~~/doc/@id`, '"a"')
    world.pass(5)
    assert.match(world.last().said[0]!, new RegExp(` -> ${etag} <d:add`))
    assert.equal(world.refresh(accepted).status, 200)
    assert.deepEqual(world.last().said, [`${index}  -> ${etag}`])
  })
})
