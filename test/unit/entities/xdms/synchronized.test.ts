/**
 * RFC 5875 §4.8: a client that listens keeps copies that are the server's, whatever is written and whenever it is told, in each
 * mode; and with patches it fetches nothing but what is new. Patches are applied by code that is not ours.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyOperations, canonical, type Element, isElement, readDocument } from '../../../actors/xml-patcher.ts'
import { at, ChangeWorld } from './change-world.ts'

interface Copy {
  etag: string
  readonly document: Element
}

/** Follows the notifications of one subscription. */
class Listener {
  readonly copies = new Map<string, Copy>()
  /** Documents fetched though there was a copy. */
  fetchedAgain = 0
  readonly #world: ChangeWorld
  #seen = 0

  constructor(world: ChangeWorld) {
    this.#world = world
  }

  read(): void {
    for (const { request } of this.#world.sent.slice(this.#seen)) {
      const diff = readDocument(Buffer.from(request.body).toString())
      for (const child of diff.children) if (isElement(child)) this.#take(child, diff)
    }
    this.#seen = this.#world.sent.length
  }

  #take({ attributes, children }: Element, { attributes: around }: Element): void {
    const sel = attributes.get('sel')!
    const [previous, next] = [attributes.get('previous-etag'), attributes.get('new-etag')]
    const copy = this.copies.get(sel)
    // Figure 1 of RFC 5874: only a change of the version one has is a change. A copy fetched meanwhile may be newer than what has
    // gone by this document, and is fetched again (RFC 5875 §4.8).
    if (next === undefined) {
      if (copy?.etag === previous) this.copies.delete(sel)
      else if (copy !== undefined) this.#fetch(sel)
      return
    }
    if (copy?.etag === next) return
    const isPatch = children.some(isElement)
    if (isPatch && copy !== undefined && copy.etag === previous) {
      const declared = new Map([...around, ...attributes].filter(([name]) => name.startsWith('xmlns')))
      applyOperations(copy.document, { name: 'patch', attributes: declared, children })
      copy.etag = next
      return
    }
    if (copy !== undefined && previous === copy.etag) this.fetchedAgain++
    this.#fetch(sel)
  }

  #fetch(sel: string): void {
    try {
      const { etag, body } = this.#world.fetch(sel)
      this.copies.set(sel, { etag, document: readDocument(body) })
    } catch {
      this.copies.delete(sel)
    }
  }
}

const names = ['index', 'other']
const contents = [
  '<doc/>',
  '<doc id="1"><a>1</a><b/></doc>',
  '<doc>\n  <a>1</a>\n  <a>2</a>\n  <!-- c -->\n  <x:b xmlns:x="u:x" x:c="d"/>\n</doc>',
  '<doc xmlns:y="u:y"><y:a><b><c>deep</c></b></y:a><a>&amp;&lt;é</a></doc>',
]
const fragments = ['<a>3</a>', '<a n="4"><b/> </a>', '<z:e xmlns:z="u:z">f</z:e>']

const action = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('document' as const), content: fc.constantFrom(...contents) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('element' as const),
      place: fc.constantFrom('*%5b1%5d', '*%5b2%5d', '*%5b3%5d', 'a%5b2%5d', 'a', 'b'),
      content: fc.constantFrom(...fragments),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('attribute' as const), content: fc.constantFrom('"1"', '"2"') }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      place: fc.constantFrom('*%5b1%5d', '*%5b2%5d', 'a', '@id'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 1, max: 6 }) }) },
)
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never
const step = fc.tuple(fc.constantFrom(...names), action)

/** Fetched newer than it was told of, and removed before it was told of that. */
const fetchedBetween: [[string, Action][]][] = [
  [
    [
      ['index', { kind: 'time', seconds: 5 }],
      ['index', { kind: 'element', place: '*%5b1%5d', content: fragments[0]! }],
      ['index', { kind: 'element', place: '*%5b1%5d', content: fragments[2]! }],
      ['index', { kind: 'time', seconds: 1 }],
      ['index', { kind: 'delete' }],
    ],
  ],
]

for (const mode of ['no-patching', 'xcap-patching', 'aggregate']) {
  test(`${mode}: copies follow their documents`, () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), steps => {
        const world = new ChangeWorld()
        world.put(`${at}/index`, contents[1]!)
        world.subscribe([`${at}/`], { event: `xcap-diff;diff-processing=${mode}` })
        const listener = new Listener(world)
        listener.read()
        for (const [name, what] of steps) {
          if (what.kind === 'time') world.pass(what.seconds)
          else write(world, `${at}/${name}`, what)
          if (what.kind === 'time') listener.read()
        }
        world.pass(20)
        listener.read()
        const stored = new Map<string, { readonly etag: string; readonly body: string }>(
          names.flatMap(name => {
            try {
              return [[`${at}/${name}`, world.fetch(`${at}/${name}`)] as const]
            } catch {
              return []
            }
          }),
        )
        assert.deepEqual([...listener.copies.keys()].sort(), [...stored.keys()].sort())
        for (const [sel, { etag, document }] of listener.copies) {
          assert.equal(etag, stored.get(sel)!.etag, sel)
          assert.equal(canonical(document), canonical(readDocument(stored.get(sel)!.body)), sel)
        }
        if (mode === 'xcap-patching') assert.equal(listener.fetchedAgain, 0)
      }),
      { numRuns: 60, examples: fetchedBetween },
    )
  })
}

/** What cannot be written is not. */
function write(world: ChangeWorld, document: string, what: Exclude<Action, { kind: 'time' }>): void {
  try {
    switch (what.kind) {
      case 'document':
        return void world.put(document, what.content)
      case 'element':
        return void world.put(`${document}/~~/doc/${what.place}`, what.content)
      case 'attribute':
        return void world.put(`${document}/~~/doc/@id`, what.content)
      case 'take':
        return void world.xcap('DELETE', `${document}/~~/doc/${what.place}`)
      case 'delete':
        return void world.xcap('DELETE', document)
    }
  } catch (error) {
    assert.equal(
      (error as Error).name === 'HttpRefusal' || (error as Error).name === 'XcapConflict',
      true,
      String(error),
    )
  }
}
