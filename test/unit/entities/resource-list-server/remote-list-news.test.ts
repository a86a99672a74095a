/** What is told of lists of other servers: whoever applies it (RFC 4662 §5.6) has the list, however little room there was. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  mergedList,
  type RemoteList,
  type RemoteResource,
} from '../../../../src/entities/resource-list-server/remote-list.ts'
import { remoteListNews, type ToldRemoteList } from '../../../../src/entities/resource-list-server/remote-list-news.ts'
import { limits } from '../../../../src/limits.ts'

const digest = (...parts: readonly string[]) => createHash('sha256').update(JSON.stringify(parts)).digest('hex')

interface Wanted {
  readonly title: string
  /** Octets of the state of each resource; 0: none is known, -1: refused. */
  readonly states: readonly (readonly [name: string, octets: number])[]
}

function listOf({ title, states }: Wanted, salt: number): RemoteList {
  const resources = new Map(
    states.map(([name, octets]): [string, RemoteResource] => {
      const part = {
        contentType: 'application/pidf+xml',
        body: Buffer.alloc(Math.max(octets, 0), `${name}${salt % 3}`),
      }
      const instance =
        octets < 0
          ? ({ id: 'x', state: 'terminated', reason: 'rejected', part: undefined, list: undefined } as const)
          : ({ id: 'x', state: 'active', reason: undefined, part, list: undefined } as const)
      return [name, { uri: name, names: [{ text: name }], instances: octets === 0 ? [] : [instance] }]
    }),
  )
  return { uri: 'sip:l@b', version: 0, names: [{ text: title }], resources: [...resources.values()], isWhole: true }
}

/** What there is to see of a list, by URI. */
function seen(list: RemoteList, isLarge: (octets: number) => boolean): Record<string, string> {
  const here = list.resources.filter(({ instances }) => instances[0]?.reason !== 'noresource')
  return Object.fromEntries(
    here.map(({ uri, instances: [instance] }) => {
      const octets = instance?.part?.body.length ?? 0
      return [
        uri,
        isLarge(octets) ? 'named' : `${instance?.state} ${Buffer.from(instance?.part?.body ?? []).toString()}`,
      ]
    }),
  )
}

const wanted = fc.record({
  title: fc.constantFrom('Team', 'The Team'),
  states: fc.array(
    fc.tuple(
      fc.constantFrom(...Array.from('abcdefghij', name => `sip:${name}`)),
      fc.constantFrom(-1, 0, 30, 700, 3_000),
    ),
    { maxLength: 10 },
  ),
})

test('one who applies what he is told has the list, in whatever pieces it comes', () => {
  fc.assert(
    fc.property(fc.array(wanted, { minLength: 1, maxLength: 6 }), fc.integer({ min: 2, max: 40 }), (lists, room) => {
      let told: ToldRemoteList | undefined
      let table: RemoteList | undefined
      let version = 0
      for (const [salt, one] of lists.entries()) {
        const list = listOf(one, salt)
        for (let more = true, documents = 0; more; documents++) {
          assert.ok(documents < 40, 'it does not end')
          const left = { resources: room, octets: 100 * room, isEmpty: true, isUntouched: true }
          const news = remoteListNews(list, {
            state: 'active',
            before: told,
            version: version++,
            id: 'i',
            room: left,
            digest,
          })
          if (news === undefined) break
          if (news === 'no-room') assert.fail('a document of its own has room for something')
          const { contentType, body } = news.body
          table = mergedList(table, contentType, body)
          assert.equal(table.version, news.told.listed)
          assert.equal(table.isWhole, true)
          told = news.told
          more = news.isUnfinished
        }
        // The first state of a document may take as much as a datagram holds.
        const most = 100 * room + limits.lists.datagramOctets - limits.lists.octetsPerNotify
        const isLarge = (octets: number) => octets > most
        assert.deepEqual(seen(table!, isLarge), seen(list, isLarge))
        assert.deepEqual(table!.names, [{ text: one.title, language: undefined }])
        const again = { resources: room, octets: 100 * room, isEmpty: true, isUntouched: true }
        assert.equal(
          remoteListNews(list, { state: 'active', before: told, version, id: 'i', room: again, digest }),
          undefined,
        )
      }
    }),
    { numRuns: 200 },
  )
})

test('what does not fit behind other things waits for a document of its own', () => {
  const [before, after] = [30, 700].map((octets, salt) => listOf({ title: 'Team', states: [['sip:a', octets]] }, salt))
  const telling = { state: 'active', id: 'i', digest }
  const room = (octets: number, isUntouched: boolean) => ({ resources: 9, octets, isEmpty: isUntouched, isUntouched })
  const first = remoteListNews(before!, { ...telling, before: undefined, version: 0, room: room(9_000, true) })
  assert.ok(first !== undefined && first !== 'no-room')
  const next = { ...telling, before: first.told, version: 1 }
  assert.equal(remoteListNews(after!, { ...next, room: room(300, false) }), 'no-room')
  const second = remoteListNews(after!, { ...next, room: room(9_000, true) })
  assert.ok(second !== undefined && second !== 'no-room' && !second.isUnfinished)
})

test('a resource that no datagram holds is named, and does not stand in the way of others', () => {
  const list = listOf(
    {
      title: 'Team',
      states: [
        ['sip:large', 90_000],
        ['sip:small', 30],
      ],
    },
    0,
  )
  const room = () => ({ resources: 200, octets: limits.lists.octetsPerNotify, isEmpty: true, isUntouched: true })
  const first = remoteListNews(list, { state: 'active', before: undefined, version: 4, id: 'i', room: room(), digest })
  assert.ok(first !== undefined && first !== 'no-room')
  const table = mergedList(undefined, first.body.contentType, first.body.body)
  assert.deepEqual(
    table.resources.map(({ uri, instances }) => [uri, instances.length]),
    [
      ['sip:large', 0],
      ['sip:small', 1],
    ],
  )
  assert.equal(first.isUnfinished, false)
})
