/**
 * Measures SigComp over a handset's day, and over a second corpus that nothing was tuned by: `node --expose-gc
 * test/bench/sigcomp.ts [--json]`. Ratios with 8192 octets of decompression memory, CPU of compression and decompression,
 * memory of compartments. `make bench` runs it before everything else.
 */

import { SigCompEndpoint, sipOptions } from '../../src/protocols/sigcomp/index.ts'
import { barTable } from './report.ts'
import { type CorpusMessage, corpus } from './sigcomp-corpus.ts'
import { compressedDay, heldOutCorpus } from './sigcomp-held-out.ts'

/** By name; those that `bars.ts` knows are held against a bar. Percent are octets on the wire of octets of text. */
export type SigCompFigures = Readonly<Record<string, number>>

interface Sent {
  readonly title: string
  readonly dialogue: string | undefined
  readonly plain: number
  readonly sent: number
}

interface Conditions {
  readonly stateMemorySize?: number
  readonly decompressionMemorySize?: number
  readonly onStream?: boolean
}

const compartments = 1000
const users = ['anna', 'jo', 'ulrike.becker', 'test4711']
const collect = globalThis.gc

const figures = await measure()
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`)
else {
  process.stdout.write(barTable(figures))
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name.padEnd(48)}${value.toFixed(1)}\n`)
}

async function measure(): Promise<SigCompFigures> {
  // First of all, before there is anything else to be collected.
  const mebibytes = collect === undefined ? Number.NaN : memoryOfCompartments(collect)
  const days = users.map(user => conversation(corpus(user), {}))
  const heldOut = [await heldOutCorpus('Alice', 7), await heldOutCorpus('Bob', 11)]
  const overHeldOut = heldOut.map(messages => conversation(messages, {}))
  const { compress, decompress, cycles } = cpu()
  return {
    'sigcomp-octets': percent(days.flat()),
    'sigcomp-octets-stream': percent(users.flatMap(user => conversation(corpus(user), { onStream: true }))),
    'sigcomp-held-out': percent(overHeldOut.flat()),
    'sigcomp-held-out-stream': percent(heldOut.flatMap(messages => conversation(messages, { onStream: true }))),
    'sigcomp-with-box': await compressedDay(),
    'sigcomp-first': percent(days.map(([first]) => first!)),
    'sigcomp-publish': percent(steady(days, 'publish')),
    'sigcomp-notify': percent([...steady(days, 'notify friend'), ...steady(days, 'notify list')]),
    'sigcomp-compress': compress,
    'sigcomp-decompress': decompress,
    'sigcomp-memory': mebibytes,
    'sigcomp-first-down': percent(days.map(([, first]) => first!)),
    'sigcomp-held-out-first': percent(overHeldOut.map(([first]) => first!)),
    'sigcomp-held-out-publish': percent(steady(overHeldOut, 'publish')),
    'sigcomp-held-out-notify': percent(steady(overHeldOut, 'notify')),
    'sigcomp-octets-2048': percent(users.flatMap(user => conversation(corpus(user), { stateMemorySize: 2048 }))),
    'sigcomp-octets-4096': percent(users.flatMap(user => conversation(corpus(user), { stateMemorySize: 4096 }))),
    'sigcomp-cycles': cycles,
  }
}

/** One conversation between a handset and a box; the octets of each message. */
function conversation(messages: readonly CorpusMessage[], conditions: Conditions): Sent[] {
  const { stateMemorySize = 8192, decompressionMemorySize = 8192, onStream = false } = conditions
  const options = { ...sipOptions, stateMemorySize, decompressionMemorySize }
  const [handset, box] = [new SigCompEndpoint(options), new SigCompEndpoint(options)]
  return messages.map(({ title, dialogue, up, bytes }) => {
    const [from, to] = up ? [handset, box] : [box, handset]
    const message = from.compress(bytes, 'peer', onStream)
    if (message !== undefined) {
      const reception = to.receive(message, onStream)
      if (reception.kind !== 'message') throw new Error(`${title}: ${reception.kind}`)
      to.accept(reception, 'peer')
    }
    return { title, dialogue, plain: bytes.length, sent: message?.length ?? bytes.length }
  })
}

/** Messages of a dialogue, answers included, once it has begun. */
function steady(conversations: readonly (readonly Sent[])[], dialogue: string): Sent[] {
  return conversations.flatMap(messages => messages.filter(message => message.dialogue === dialogue).slice(2, 8))
}

function percent(messages: readonly Sent[]): number {
  const [plain, sent] = messages.reduce(([a, b], { plain, sent }) => [a + plain, b + sent], [0, 0])
  return (100 * sent!) / plain!
}

/** MiB of a box with many handsets after a day. */
function memoryOfCompartments(collect: () => void): number {
  const box = new SigCompEndpoint({ ...sipOptions, compartments })
  const used = (): number => {
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = used()
  for (let i = 0; i < compartments; i++) {
    const handset = new SigCompEndpoint({ ...sipOptions, compartments: 1 })
    for (const { up, bytes } of corpus(`m${i}`)) {
      const [from, to, name] = up ? [handset, box, 'box'] : [box, handset, `${i}`]
      const message = from.compress(bytes, name, false)
      const reception = message === undefined ? undefined : to.receive(message, false)
      if (reception?.kind === 'message') to.accept(reception, up ? `${i}` : 'box')
    }
  }
  if (box.compartments !== compartments) throw new Error(`${box.compartments} compartments`)
  return (used() - before) / 1048576
}

/** µs of a message: both sides in this process, each measured by itself over many compartments; after a first round. */
function cpu(): { compress: number; decompress: number; cycles: number } {
  const days = Array.from({ length: 200 }, (_, i) => corpus(`user${i}`))
  let result = { compress: 0, decompress: 0, cycles: 0 }
  for (let round = 0; round < 2; round++) {
    const options = { ...sipOptions, compartments }
    const [handset, box] = [new SigCompEndpoint(options), new SigCompEndpoint(options)]
    const spent = { compress: 0, decompress: 0, cycles: 0 }
    let count = 0
    for (let step = 0; step < days[0]!.length; step++) {
      const [from, to] = days[0]![step]!.up ? [handset, box] : [box, handset]
      const before = process.cpuUsage()
      const compressed = days.map((each, i) => from.compress(each[step]!.bytes, `${i}`, false))
      const between = process.cpuUsage()
      for (const [i, message] of compressed.entries()) {
        if (message === undefined) continue
        const reception = to.receive(message, false)
        if (reception.kind !== 'message') throw new Error(reception.kind)
        spent.cycles += reception.received.cycles
        to.accept(reception, `${i}`)
      }
      const after = process.cpuUsage()
      spent.compress += between.user + between.system - before.user - before.system
      spent.decompress += after.user + after.system - between.user - between.system
      count += days.length
    }
    const { compress, decompress, cycles } = spent
    result = { compress: compress / count, decompress: decompress / count, cycles: cycles / count }
  }
  return result
}
