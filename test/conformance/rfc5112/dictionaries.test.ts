import assert from 'node:assert/strict'
import { test } from 'node:test'
import { presenceDictionaryStrings, sipDictionaryStrings } from '../../../src/protocols/sigcomp/dictionaries.ts'
import { presenceDictionary, sipDictionary } from '../../../src/protocols/sigcomp/index.ts'

const dictionaries = [
  ['RFC 3485 §3', sipDictionary, 0x12e4, sipDictionaryStrings, 'fbe507dfe5e6aa5af2abb914ceaa05f99ce61ba5'],
  ['RFC 5112 §4', presenceDictionary, 0x0d93, presenceDictionaryStrings, 'd942297d0bb38fc01d6741d6b3b48157ac8e1be0'],
] as const

for (const [section, item, length, strings, identifier] of dictionaries) {
  test(`${section}: the dictionary has its length and its SHA-1 state identifier`, () => {
    assert.equal(item.value.length, length)
    assert.equal(item.address, 0)
    assert.equal(item.instruction, 0)
    assert.equal(item.minimumAccessLength, 6)
    assert.equal(Buffer.from(item.identifier).toString('hex'), identifier)
  })

  test(`${section}: its table gives a length and an offset, of 1024 more, into the strings`, () => {
    const table = Buffer.from(item.value.subarray(strings))
    assert.equal(table.length % 3, 0)
    for (let at = 0; at < table.length; at += 3) {
      const [size, offset] = [table[at]!, table.readUInt16BE(at + 1) - 1024]
      assert.ok(size > 0 && offset >= 0 && offset + size <= strings)
    }
  })
}

test('RFC 5112 appendix A: words of presence are in it', () => {
  const text = Buffer.from(presenceDictionary.value).toString('latin1')
  for (const word of ['rlmi', '<?xml', 'xmlns=', 'watcherinfo', 'fullState=', 'overriding-willingness', 'deviceID'])
    assert.ok(text.includes(word), word)
})
