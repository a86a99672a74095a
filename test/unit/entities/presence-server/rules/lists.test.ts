/** External lists (PS-90): what is followed, what ends, and when nobody can say who is on a list (PS-75). */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseXml } from '../../../../../src/documents/xml/parse.ts'
import { canonicalUri } from '../../../../../src/entities/presence-server/authorize.ts'
import { membersOf } from '../../../../../src/entities/presence-server/rules/lists.ts'
import type { FoundLists } from '../../../../../src/entities/xdms/list-walk.ts'
import { limits } from '../../../../../src/limits.ts'

const root = '/xcap-root'
const home = `${root}/resource-lists/users/alice`

/** Members of the list at a URI, with these documents below the home directory. */
function members(uri: string, documents: Record<string, string | 'unavailable'>): string[] | undefined {
  const read = (_auid: string, _xui: string, path: string): FoundLists => {
    const content = documents[path]
    if (content === undefined || content === 'unavailable') return content
    const text = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">${content}</resource-lists>`
    const roomy = { bytes: 10_000_000, depth: 64, nodes: 500_000, attributes: 64, nameLength: 256 }
    return parseXml(Buffer.from(text), { limits: roomy })
  }
  const { members: found } = membersOf(uri, { root, read, canonical: canonicalUri })
  return found && [...found].sort()
}

const entry = (uri: string) => `<entry uri="${uri}"/>`

describe('the members of an external list', () => {
  test('are the entries of the list that the URI selects, and of lists within it', () => {
    const index = `<list name="a">${entry('sip:a@b')}<list name="c">${entry('SIP:c@D')}</list></list><list name="e">${entry('sip:e@b')}</list>`
    assert.deepEqual(members(`http://h${home}/index/~~/resource-lists/list%5b@name=%22a%22%5d`, { index }), [
      'sip:a@b',
      'sip:c@d',
    ])
    assert.deepEqual(members(`https://h:8443${home}/index`, { index }), ['sip:a@b', 'sip:c@d', 'sip:e@b'])
  })
  test('and what references lead to, each once', () => {
    const index = `<list><entry-ref ref="resource-lists/users/alice/other/~~/resource-lists/list/entry%5b2%5d"/><external anchor="http://h${home}/more"/></list>`
    const other = `<list>${entry('sip:no@b')}${entry('sip:two@b')}</list>`
    const more = `<list>${entry('sip:more@b')}<external anchor="http://h${home}/index"/></list>`
    assert.deepEqual(members(`${home}/index`, { index, other, more }), ['sip:more@b', 'sip:two@b'])
  })
  test('none where there is no such document or node', () => {
    assert.deepEqual(members(`${home}/index`, {}), [])
    assert.deepEqual(members(`${home}/index/~~/resource-lists/list%5b2%5d`, { index: '<list/>' }), [])
  })
  test('unknown when it, or a list it refers to, cannot be had', () => {
    assert.equal(members(`${home}/index`, { index: 'unavailable' }), undefined)
    const index = `<list>${entry('sip:a@b')}<external anchor="http://h${home}/more"/></list>`
    assert.equal(members(`${home}/index`, { index, more: 'unavailable' }), undefined)
  })
  test('unknown when the URI is none below our root, or its selector none of RFC 4825', () => {
    for (const uri of [
      'http://h/elsewhere/x',
      'nonsense',
      `${home}/index/~~/resource-lists/list%5b`,
      `${home}/index/~~/%zz`,
    ])
      assert.equal(members(uri, { index: '<list/>' }), undefined, uri)
  })
  test('unknown when there are more references or members than the limits allow', () => {
    const chain: Record<string, string> = {}
    for (let i = 0; i <= limits.externalLists.references; i++)
      chain[`d${i}`] = `<list>${entry(`sip:${i}@b`)}<external anchor="http://h${home}/d${i + 1}"/></list>`
    assert.equal(members(`${home}/d0`, chain), undefined)
    assert.equal(members(`${home}/d5`, chain)?.length, limits.externalLists.references - 4)
    const many = Array.from({ length: limits.externalLists.members + 1 }, (_, i) => entry(`sip:${i}@b`)).join('')
    assert.equal(members(`${home}/index`, { index: `<list>${many}</list>` }), undefined)
  })
  test('a document is read once, however many references lead into it, and an entry that is met again counts again', () => {
    let read = 0
    const anchors = Array.from(
      { length: 50 },
      (_, i) => `<external anchor="http://h${i}${home}/index/~~/*/list%5b2%5d"/>`,
    )
    const many = Array.from({ length: 500 }, (_, i) => entry(`sip:${i}@b`)).join('')
    const text = `<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list>${anchors.join('')}</list><list>${many}</list></resource-lists>`
    const source = {
      root,
      canonical: canonicalUri,
      read: () => {
        read++
        return parseXml(Buffer.from(text))
      },
    }
    const first = membersOf(`${home}/index/~~/*/list%5b1%5d`, source)
    assert.deepEqual([first.members, first.entries, read], [undefined, limits.externalLists.members + 1, 1])
    assert.equal(membersOf(`${home}/index/~~/*/list%5b2%5d`, source).members?.size, 500)
    assert.equal(membersOf(`${home}/index/~~/*/list%5b2%5d`, source, 499).members, undefined)
  })
})
