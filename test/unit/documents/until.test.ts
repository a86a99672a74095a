import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { withoutEnded } from '../../../src/documents/until.ts'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { childElements } from '../../../src/documents/xml/tree.ts'
import { writeElement } from '../../../src/documents/xml/write.ts'

const now = Date.UTC(2026, 10, 20, 12)
const past = '2026-11-20T11:59:59Z'
const next = '2026-11-20T13:00:00Z'
const later = '2026-11-20T14:00:00Z'
const declarations =
  'xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:pde="urn:oma:xml:pde:pidf:ext" xmlns:ts="urn:ietf:params:xml:ns:pidf:timed-status" xmlns:x="urn:example"'

function remaining(content: string): { text: string; until: number } {
  const root = parseXml(Buffer.from(`<root ${declarations}>${content}</root>`))
  const { element, until } = withoutEnded(root, now)
  return {
    text: childElements(element!)
      .map(child => writeElement(child, root.scope))
      .join(''),
    until,
  }
}

describe('what has ended (OP-11)', () => {
  it('goes, and nothing else does', () => {
    const person = (mood: string) =>
      `<dm:person id="p"><r:activities><r:busy/></r:activities>${mood}<dm:note>n</dm:note></dm:person>`
    assert.deepEqual(remaining(person(`<r:mood until="${past}"><r:happy/></r:mood>`)), { text: person(''), until: 0 })
  })

  it('ends at the instant, not after it', () => {
    assert.equal(remaining('<r:mood until="2026-11-20T12:00:00Z"/>').text, '')
  })

  it('is the element of RPID, timed status or OMA that says so itself', () => {
    for (const name of ['r:activities', 'r:place-is', 'r:status-icon', 'ts:timed-status', 'op:willingness']) {
      assert.equal(remaining(`<${name} until="${past}"/>`).text, '', name)
    }
    assert.equal(
      remaining(`<op:overriding-willingness pde:until="${past}"><op:basic>open</op:basic></op:overriding-willingness>`)
        .text,
      '',
    )
  })

  it('is not what has no known end: other elements, no date, the format itself', () => {
    for (const content of [
      `<x:y until="${past}"/>`,
      '<r:mood until="yesterday"/>',
      `<note until="${past}">n</note>`,
      `<r:mood from="${past}"/>`,
    ]) {
      assert.deepEqual(remaining(content), { text: content, until: 0 })
    }
  })

  it('says when the next thing ends', () => {
    const content = `<r:mood until="${later}"/><tuple><op:willingness pde:until="${next}"/></tuple>`
    assert.deepEqual(remaining(content), { text: content, until: Date.parse(next) })
    assert.equal(remaining(`<r:mood until="${past}"/><r:activities until="${later}"/>`).until, Date.parse(later))
  })

  it('leaves an element alone in which something has to be understood that is not (PS-61, RFC 3863 §4.2.3)', () => {
    const mood = (mark: string) => `<r:mood until="${past}"><x:feeling${mark}/></r:mood>`
    assert.equal(
      remaining(mood(' p:mustUnderstand="true"').replace('<r:mood', '<r:mood xmlns:p="urn:ietf:params:xml:ns:pidf"'))
        .text.length > 0,
      true,
    )
    assert.equal(remaining(mood('')).text, '')
    assert.equal(remaining(mood(' mustUnderstand="true"')).text, '')
  })

  it('gives the same object when nothing has ended', () => {
    const root = parseXml(Buffer.from(`<root ${declarations}><r:mood until="${later}"/></root>`))
    assert.equal(withoutEnded(root, now).element, root)
  })
})
