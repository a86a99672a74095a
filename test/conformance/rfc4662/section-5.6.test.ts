/**
 * RFC 4662 §5.6 between two boxes: members and lists of each on the list of the other, changed and edited at random over a network
 * that loses and repeats, with boxes killed now and then. In the end the subscriber's table is what there is.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { servicesDocument, servicesType } from '../../actors/list-owner.ts'
import type { ListTable } from '../../actors/list-table.ts'
import type { Wishes } from '../../actors/watcher.ts'
import { Boxes } from '../../simulation/boxes.ts'
import { fair } from '../../simulation/network.ts'
import { SeededRandom } from '../../simulation/random.ts'

const friends = 'sip:friends@a.example'
const team = 'sip:team@b.example'
const bad = { loss: 0.05, duplication: 0.05, minDelayMs: 5, maxDelayMs: 400 }
const partial = 'multipart/related, application/rlmi+xml, application/pidf+xml, application/pidf-diff+xml'
const day = 86_400

const ways: Readonly<Record<string, Wishes>> = {
  'who takes whole documents': {},
  'who takes presence by its changes': { accept: partial },
  'who waits for notes': { filtering: { when: 'notes' } },
}

for (const [who, wishes] of Object.entries(ways))
  test(`"the contents of the resource-list table" of one ${who} are what there is`, async () => {
    for (let seed = 1; seed <= 6; seed++) await play(seed, 6, wishes)
    // More than a NOTIFY holds.
    await play(7, 150, wishes)
  })

async function play(seed: number, users: number, wishes: Wishes): Promise<void> {
  const random = new SeededRandom(seed)
  const boxes = new Boxes(seed, ['a.example', 'b.example'], {}, seed % 3 === 0 ? fair : bad)
  const all = ['a.example', 'b.example'].flatMap(domain => Array.from({ length: users }, (_, at) => `u${at}@${domain}`))
  const some = () => all.filter(() => random.chance(0.5)).map(name => `sip:${name}`)
  const lists = new Map<string, readonly string[]>()
  const keep = async (owner: string, uri: string, members: readonly string[]) => {
    const domain = owner.slice(owner.indexOf('@') + 1)
    lists.set(uri, members)
    const document = servicesDocument(`sip:${owner}`, [{ uri, inline: members }], `http://${domain}/xcap-root`)
    assert.ok(
      (await boxes.put(domain, `/xcap-root/rls-services/users/sip:${owner}/index`, servicesType, document)) < 300,
    )
  }
  const edit = () =>
    random.chance(0.5)
      ? keep('bob@a.example', friends, random.chance(0.8) ? [...some(), team] : some())
      : keep('dora@b.example', team, some())
  const notes = new Map<string, string>()
  const publish = async (note: string) => {
    const name = all[random.below(all.length)]!
    const { source } = boxes.person(name)
    if (source.entityTag === undefined) source.publish('open', note, day, boxes.now())
    else source.modify('open', note, day, boxes.now())
    notes.set(`sip:${name}`, note)
    // Until it is known to have arrived.
    await boxes.pass(33_000)
  }
  await keep('dora@b.example', team, some())
  await keep('bob@a.example', friends, [...some(), team])
  const { watcher } = boxes.person('bob@a.example')
  const subscription = watcher.subscribe(friends, 'presence', day, boxes.now(), { toList: true, ...wishes })
  await boxes.pass(40_000)
  for (let step = 0; step < 25; step++) {
    if (random.chance(0.5)) await publish(`note ${step}`)
    else if (random.chance(0.8)) await edit()
    else await boxes.restart(random.chance(0.5) ? 'a.example' : 'b.example')
    await boxes.pass(random.below(5_000))
  }
  await boxes.pass(300_000)
  const expected = (uri: string): unknown =>
    Object.fromEntries(
      [...lists.get(uri)!].sort().map(member => {
        const note = notes.get(member)
        if (member === team) return [member, expected(team)]
        return [member, note === undefined ? 'active closed' : `active open ${note}`]
      }),
    )
  assert.deepEqual(tableOf(subscription.list!), expected(friends), `seed ${seed}`)
  assert.deepEqual([...subscription.faults, ...boxes.faults], [], `seed ${seed}`)
}

/** What is in a table, those who have gone left out. */
function tableOf(list: ListTable): unknown {
  const here = [...list.rows.keys()].sort().filter(uri => list.state(uri) !== 'terminated noresource')
  return Object.fromEntries(
    here.map(uri => [uri, list.rows.get(uri)!.list ? tableOf(list.rows.get(uri)!.list!) : list.state(uri)]),
  )
}
