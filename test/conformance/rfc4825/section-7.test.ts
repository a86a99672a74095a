/** RFC 4825 §7: what clients do, with the document of figure 3 in the imaginary usage `tests`. */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { at, ChangeWorld } from '../../unit/entities/xdms/change-world.ts'

const index = `${at}/index`
const document = `<doc>
  <watcher-list resource="sip:professor@example.net" package="presence">
    <watcher status="active" id="8ajksjda7s">sip:userA@example.net</watcher>
    <watcher status="pending" id="hh8juja87s997-ass7">sip:userB@example.org</watcher>
  </watcher-list>
</doc>`
const list = `${index}/~~/doc/watcher-list`
const watcher = (id: string) => `<watcher id="${id}">sip:c@example.net</watcher>`

function world(): ChangeWorld {
  const made = new ChangeWorld()
  made.put(index, document)
  return made
}

function ids(of: ChangeWorld): string[] {
  return [...of.get(index).matchAll(/id="([^"]+)"/g)].map(match => match[1]!)
}

describe('§7.4: create or replace an element', () => {
  test('positional insertion: as the second of all, since no second one has that id', () => {
    const made = world()
    made.put(`${list}/*%5b2%5d%5b@id=%22hhggff%22%5d`, watcher('hhggff'))
    assert.deepEqual(ids(made), ['8ajksjda7s', 'hhggff', 'hh8juja87s997-ass7'])
  })

  test('with a position alone, it replaces the one that stands there, whole', () => {
    const made = world()
    made.put(`${list}/*%5b2%5d`, watcher('new'))
    assert.deepEqual(ids(made), ['8ajksjda7s', 'new'])
    assert.doesNotMatch(made.get(index), /pending/)
  })

  test('behind the one before it of those of one name, when the name is given (§8.2.3)', () => {
    const made = new ChangeWorld()
    made.put(index, '<doc><a id="1"/><b id="x"/><a id="2"/></doc>')
    made.put(`${index}/~~/doc/a%5b2%5d%5b@id=%22n%22%5d`, '<a id="n"/>')
    assert.deepEqual(ids(made), ['1', 'n', 'x', '2'])
  })

  test('an element that the new one is selected by cannot be given another value, but its parent can be put', () => {
    const made = world()
    assert.throws(() => made.put(`${list}/watcher%5b@id=%228ajksjda7s%22%5d`, watcher('other')), /409|select/)
    made.put(list, `<watcher-list>${watcher('other')}</watcher-list>`)
    assert.deepEqual(ids(made), ['other'])
  })
})

describe('§7.5: delete an element', () => {
  test('by position and a value that no sibling has', () => {
    const made = world()
    made.xcap('DELETE', `${list}/*%5b1%5d%5b@id=%228ajksjda7s%22%5d`)
    assert.deepEqual(ids(made), ['hh8juja87s997-ass7'])
  })

  test('by name or wildcard and position only the last, for another would then be selected', () => {
    for (const step of ['*', 'watcher']) {
      const made = world()
      assert.throws(() => made.xcap('DELETE', `${list}/${step}%5b1%5d`), /another|select/i)
      made.xcap('DELETE', `${list}/${step}%5b2%5d`)
      assert.deepEqual(ids(made), ['8ajksjda7s'])
    }
  })

  test('a second DELETE finds nothing', () => {
    const made = world()
    made.xcap('DELETE', list)
    assert.throws(() => made.xcap('DELETE', list), /selects nothing|several/)
  })
})

test('§7.6, §7.9, §7.10: fetch an element, an attribute, and namespace bindings', () => {
  const made = world()
  const node = `${list}/watcher%5b@id=%228ajksjda7s%22%5d`
  assert.equal(made.get(node), '<watcher status="active" id="8ajksjda7s">sip:userA@example.net</watcher>')
  assert.equal(made.get(`${node}/@status`), '"active"')
  assert.match(made.get(`${node}/namespace::*`), /^<watcher\s*\/>$/)
})

test('§7.7, §7.8: an attribute is created, replaced, deleted; the same again is no other document', () => {
  const made = world()
  const attribute = `${list}/@version`
  const created = made.put(attribute, '"1"')
  assert.equal(made.put(attribute, '"1"'), created)
  assert.notEqual(made.put(attribute, "'2'"), created)
  assert.match(made.get(index), /version='2'/)
  made.xcap('DELETE', attribute)
  assert.equal(made.get(index), document)
  assert.throws(() => made.xcap('DELETE', attribute), /no such attribute/)
})
