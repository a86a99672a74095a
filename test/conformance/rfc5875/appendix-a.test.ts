/** RFC 5875 appendix A: its examples, in their order, with the imaginary application usage `tests`. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at, ChangeWorld, joe, john } from '../../unit/entities/xdms/change-world.ts'

const index = `${at}/index`
const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
const sample = `${declaration}<doc>\n  <note>This is a sample document</note>\n</doc>\n`
const another = `${declaration}<doc>\n  <note>This is another sample document</note>\n</doc>\n`

/** A.1: Joe's document and John's. */
function beginning(): { world: ChangeWorld; etag: string } {
  const world = new ChangeWorld()
  const etag = world.put(index, sample)
  world.put('tests/users/sip:john@example.com/index', another)
  return { world, etag }
}

const aggregate = 'xcap-diff; diff-processing=aggregate'
const xcapPatching = 'xcap-diff; diff-processing=xcap-patching'

describe('A.2: an initial subscription', () => {
  test('the first NOTIFY lists the documents of the collection with their entity-tags', () => {
    const { world, etag } = beginning()
    assert.equal(world.subscribe([`${at}/`], { event: aggregate }).status, 200)
    const { request } = world.sent[0]!
    assert.equal(request.header('Event'), 'xcap-diff')
    assert.equal(request.header('Content-Type'), 'application/xcap-diff+xml')
    assert.match(request.header('Subscription-State')!, /^active;expires=3600$/)
    assert.deepEqual(world.last(), { root: 'https://example.com/', said: [`${index}  -> ${etag}`] })
  })

  test("of tests/users/ it would have been the same, since Joe may not read what is John's", () => {
    const { world, etag } = beginning()
    world.subscribe(['tests/users/'])
    assert.deepEqual(world.last().said, [`${index}  -> ${etag}`])
  })

  test('with Expires 0 it is a fetch, of which nothing is left', async () => {
    const { world, etag } = beginning()
    const before = await world.size()
    world.subscribe([`${at}/`], { headers: [['Expires', '0']] })
    assert.equal(world.sent[0]!.request.header('Subscription-State'), 'terminated;reason=timeout')
    assert.deepEqual(world.last().said, [`${index}  -> ${etag}`])
    assert.equal(await world.size(), before)
  })
})

test('A.3: a document added into the collection is told alone; a refresh tells all', () => {
  const { world, etag } = beginning()
  const accepted = world.subscribe([`${at}/`], { event: aggregate })
  world.pass(5)
  const added = world.put(`${at}/another_document`, another)
  assert.deepEqual(world.last().said, [`${at}/another_document  -> ${added}`])
  world.refresh(accepted, [`${at}/`], aggregate)
  assert.deepEqual(world.last().said, [`${at}/another_document  -> ${added}`, `${index}  -> ${etag}`])
})

describe('A.4: a series of component modifications', () => {
  const foo = '<foo>this is a new element</foo>'
  const bar = '<bar>this is a bar element\n</bar>'
  const foobar = '<foobar>this is a foobar element</foobar>'

  function modify(event: string) {
    const { world, etag } = beginning()
    world.subscribe([`${at}/`], { event })
    const etags = [
      world.put(`${index}/~~/doc/foo`, foo),
      world.put(`${index}/~~/doc/bar`, bar),
      world.put(`${index}/~~/doc/foobar`, foobar),
    ]
    assert.equal(world.sent.length, 1, 'not more often than every five seconds')
    world.pass(5)
    assert.equal(world.sent.length, 2)
    return { world, etag, etags }
  }

  test('aggregate: one patch from the version that was told to the present one', () => {
    const { world, etag, etags } = modify(aggregate)
    assert.equal(world.last().said.length, 1)
    assert.ok(world.last().said[0]!.startsWith(`${index} ${etag} -> ${etags[2]} `), world.last().said[0])
    assert.match(world.lastBody(), /<d:add [^>]*>[^<]*<foo>.*<bar>.*<foobar>.*<\/d:add>/s)
  })

  test('xcap-patching: every version with its patch, in the order of their making', () => {
    const { world, etag, etags } = modify(xcapPatching)
    const { said } = world.last()
    assert.equal(said.length, 3)
    for (const [step, previous] of [etag, etags[0], etags[1]].entries()) {
      assert.ok(said[step]!.startsWith(`${index} ${previous} -> ${etags[step]} `), said[step])
      assert.match(said[step]!, new RegExp(`<d:add [^>]*>[^<]*${['<foo>', '<bar>', '<foobar>'][step]}`))
    }
  })

  test('no-patching: only that there was a change, from which version to which', () => {
    const { world, etag, etags } = modify('xcap-diff; diff-processing=no-patching')
    assert.deepEqual(world.last().said, [`${index} ${etag} -> ${etags[2]}`])
  })

  test('RFC 5874 A.1: a removal has no new entity-tag', () => {
    const { world, etag } = beginning()
    world.subscribe([index])
    world.pass(5)
    world.xcap('DELETE', index)
    assert.deepEqual(world.last().said, [`${index} ${etag} -> `])
  })
})

test('A.5: an attribute that is not there is told when it comes, and when it goes', () => {
  const { world } = beginning()
  const id = `${index}/~~/doc/@id`
  world.subscribe([id])
  assert.deepEqual(world.last(), { root: 'https://example.com/', said: [] })
  world.pass(5)
  world.put(`${index}/~~/doc`, '<doc id="bar"><note>This is a new root element</note></doc>')
  assert.deepEqual(world.last().said, [`attribute ${id} bar`])
  world.pass(5)
  world.xcap('DELETE', id)
  assert.deepEqual(world.last().said, [`attribute ${id} -`])
  assert.match(world.lastBody(), /exists="0"/)
})

describe('A.6: a conditional subscription', () => {
  const other = `${at}/another_document`

  function twoDocuments() {
    const { world, etag } = beginning()
    world.put(other, another)
    const accepted = world.subscribe([`${at}/`], { event: xcapPatching })
    return { world, etag, accepted, tag: world.sent[0]!.request.header('SIP-ETag')! }
  }

  test('nothing has changed: 204, no NOTIFY, and from then on the other mode', () => {
    const { world, etag, accepted, tag } = twoDocuments()
    world.pass(5)
    assert.equal(world.refresh(accepted, [`${at}/`], aggregate, [['Suppress-If-Match', tag]]).status, 204)
    assert.equal(world.sent.length, 1)
    world.put(`${index}/~~/doc/foo`, '<foo/>')
    const last = world.put(`${index}/~~/doc/bar`, '<bar/>')
    world.pass(5)
    const told = world.told(1).flatMap(({ said }) => said)
    assert.ok(told[0]!.startsWith(`${index} ${etag} -> `), told[0])
    assert.ok(told.at(-1)!.includes(` -> ${last} `), told.at(-1))
  })

  test('something has: 200 and everything', () => {
    const { world, accepted, tag } = twoDocuments()
    world.peer = () => undefined
    world.put(`${index}/~~/doc/foo`, '<foo/>')
    world.peer = () => 200
    assert.equal(world.refresh(accepted, [`${at}/`], aggregate, [['Suppress-If-Match', tag]]).status, 200)
    assert.equal(world.last().said.length, 2)
  })

  test('§4.7: the list counts for the state, its order does not', () => {
    const { world, accepted } = twoDocuments()
    world.refresh(accepted, [index, other])
    const tag = world.sent.at(-1)!.request.header('SIP-ETag')!
    assert.equal(world.refresh(accepted, [other, index], undefined, [['Suppress-If-Match', tag]]).status, 204)
    assert.equal(world.refresh(accepted, [index], undefined, [['Suppress-If-Match', tag]]).status, 200)
    assert.equal(world.last().said.length, 1)
  })

  test('RFC 5839 §5.2: who knows the state from before is not told it in a new subscription, and is told what changes', () => {
    const { world, tag } = twoDocuments()
    world.pass(5)
    world.subscribe([`${at}/`], { headers: [['Suppress-If-Match', tag]] })
    assert.equal(world.sent.at(-1)!.request.body.length, 0)
    world.pass(5)
    const sent = world.sent.length
    world.xcap('DELETE', other)
    assert.deepEqual(
      world.told(sent).map(({ said }) => said.length),
      [1, 1],
    )
  })
})

test('A.1: whose document it is decides who hears of it', () => {
  const { world } = beginning()
  world.subscribe([index], { from: john })
  assert.deepEqual(world.last().said, [], 'not readable is left out without a word')
  world.subscribe([index], { from: joe })
  assert.equal(world.last().said.length, 1)
  const told = world.sent.length
  world.pass(5)
  world.put(`${index}/~~/doc/@id`, '"x"')
  assert.equal(world.sent.length, told + 1)
})
