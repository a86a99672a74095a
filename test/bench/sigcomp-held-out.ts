/**
 * A second corpus, which no code table was made by: what the clients of our flows and the box say to each other in a simulated
 * day, as it is on the wire but for the compression. Whoever tunes the compressor looks at the other one.
 */

import { play, readFlow } from '../flows/language.ts'
import { SimulatedWorld } from '../simulation/world.ts'
import type { CorpusMessage } from './sigcomp-corpus.ts'

const day = `
# Friends who watch each other, register, publish and write
Alice registers
Bob   registers
Carol registers
Alice publishes presence open "at my desk"
Alice subscribes to Bob
Alice is notified active
Alice subscribes to Alice's watchers
Alice is notified of Alice's watchers active
Bob   subscribes to Alice
Bob   is notified active, presence open
Alice is notified of Alice's watchers active
Bob   publishes presence open "on the train to Basel"
Alice is notified of Bob active
Alice publishes presence closed "in a meeting until noon"
Bob   is notified active, presence closed
Bob   publishes presence closed "no signal"
Alice is notified of Bob active
Alice subscribes to Alice's registrations
Alice is notified of Alice's registrations active
Carol subscribes to Alice
Carol is notified active
Bob   sends Alice the message "Are you coming to lunch?"
Alice receives the message "Are you coming to lunch?"
Alice sends Bob the message "Give me ten minutes"
Bob   receives the message "Give me ten minutes"
Alice publishes presence open "at lunch"
Alice refreshes the publication
Bob   publishes presence open "in the canteen"
Alice is notified of Bob active
Alice refreshes the subscription to Bob
Alice registers
Bob   publishes presence open "back at work"
Alice publishes presence open "back at my desk"
Alice subscribes to Carol
Carol publishes presence open "working from home"
Alice publishes presence closed "gone for today"
Bob   publishes presence closed "gone as well"
Alice removes the publication
Alice unsubscribes from Bob
Alice unregisters
`

/** The same day with handsets that compress: octets on the wire between all of them and the box, in percent of text. */
export async function compressedDay(seed = 7): Promise<number> {
  const world = new SimulatedWorld({ seed, compressed: true })
  await play(readFlow(day), world)
  const { octets, textOctets } = world.wire
  return (100 * octets) / textOctets
}

/** All that passes between one of them and the box, in order. */
export async function heldOutCorpus(name = 'Alice', seed = 7): Promise<readonly CorpusMessage[]> {
  const messages: CorpusMessage[] = []
  let address = ''
  const world = new SimulatedWorld({
    seed,
    listener: (bytes, from, to) => {
      if (from !== address && to !== address) return
      const [head = ''] = bytes.toString('latin1').split('\r\n\r\n', 1)
      const [title = ''] = head.split('\r\n', 1)
      const method = /^CSeq: \d+ (\w+)/m.exec(head)?.[1]
      // One dialogue is with a friend; others are about watchers and registrations.
      const isFriend = new RegExp(`^From: <sip:${name === 'Alice' ? 'bob' : 'alice'}@`, 'm').test(head)
      const dialogue = method === 'PUBLISH' ? 'publish' : method === 'NOTIFY' && isFriend ? 'notify' : undefined
      messages.push({ title, up: from === address, bytes: Buffer.from(bytes), dialogue })
    },
  })
  const { local } = world.person(name).agent.options
  address = `${local.address}:${local.port}`
  await play(readFlow(day), world)
  return messages
}
