/**
 * Measures SigComp over the corpus of a handset's day: `node test/bench/sigcomp.ts`. Ratios with 8192 octets of decompression
 * memory, CPU of compression and decompression, memory per compartment, instructions of the UDVM.
 */

import { SigCompEndpoint, sipOptions } from '../../src/protocols/sigcomp/index.ts'
import { corpus } from './sigcomp-corpus.ts'

interface Sent {
  readonly title: string
  readonly dialogue: string | undefined
  readonly plain: number
  readonly sent: number
}

/** One day between a handset and a box; the octets of each message. */
function day(name: string, stateMemorySize: number, onStream = false, decompressionMemorySize = 8192): Sent[] {
  const options = { ...sipOptions, stateMemorySize, decompressionMemorySize }
  const [handset, box] = [new SigCompEndpoint(options), new SigCompEndpoint(options)]
  return corpus(name).map(({ title, dialogue, up, bytes }) => {
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

function total(messages: readonly Sent[]): { plain: number; sent: number } {
  return messages.reduce((sum, { plain, sent }) => ({ plain: sum.plain + plain, sent: sum.sent + sent }), {
    plain: 0,
    sent: 0,
  })
}

function ratio(messages: readonly Sent[]): string {
  const { plain, sent } = total(messages)
  return `${(plain / sent).toFixed(1)}:1`
}

function say(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(64)}${value}\n`)
}

// Memory of a box with 1000 handsets after a day, before there is anything else to be collected.
const collect = globalThis.gc
if (collect === undefined) say('memory of 1000 compartments', 'needs node --expose-gc')
else {
  const box = new SigCompEndpoint({ ...sipOptions, compartments: 1000 })
  const used = (): number => {
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = used()
  for (let i = 0; i < 1000; i++) {
    const handset = new SigCompEndpoint({ ...sipOptions, compartments: 1 })
    for (const { up, bytes } of corpus(`m${i}`)) {
      const [from, to, name] = up ? [handset, box, 'box'] : [box, handset, `${i}`]
      const message = from.compress(bytes, name, false)
      const reception = message === undefined ? undefined : to.receive(message, false)
      if (reception?.kind === 'message') to.accept(reception, up ? `${i}` : 'box')
    }
  }
  say('memory of 1000 compartments', `${((used() - before) / 1048576).toFixed(1)} MiB of ${box.compartments}`)
}

const users = ['anna', 'jo', 'ulrike.becker', 'test4711']
for (const [stateMemorySize, onStream, memory] of [
  [2048, false, 8192],
  [4096, false, 8192],
  [8192, false, 8192],
  [16384, false, 8192],
  [8192, true, 8192],
  [8192, true, 16384],
] as const) {
  const { plain, sent } = total(users.flatMap(user => day(user, stateMemorySize, onStream, memory)))
  const title = `${onStream ? 'stream' : 'datagrams'}, decompression memory ${memory}, state memory ${stateMemorySize}`
  say(title, `${((100 * sent) / plain).toFixed(1)} % of ${plain} octets`)
}
const messages = users.map(user => day(user, 8192))
say('first message up, with its bytecode', ratio(messages.map(([first]) => first!)))
say('first message down', ratio(messages.map(([, first]) => first!)))
for (const dialogue of ['publish', 'notify friend', 'notify list']) {
  const steady = messages.flatMap(each => each.filter(message => message.dialogue === dialogue).slice(2, 8))
  say(`steady dialogue: ${dialogue}, answers included`, ratio(steady))
}

// CPU: both sides in this process, each measured by itself over many compartments.
const days = Array.from({ length: 200 }, (_, i) => corpus(`user${i}`))
for (const round of ['cold', 'warm']) {
  const options = { ...sipOptions, compartments: 1000 }
  const [handset, box] = [new SigCompEndpoint(options), new SigCompEndpoint(options)]
  const spent = { compress: 0, decompress: 0, count: 0, cycles: 0 }
  for (let step = 0; step < days[0]!.length; step++) {
    const up = days[0]![step]!.up
    const [from, to] = up ? [handset, box] : [box, handset]
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
    spent.count += days.length
  }
  say(`CPU of a message, ${round}: compress`, `${(spent.compress / spent.count).toFixed(0)} µs`)
  say(`CPU of a message, ${round}: decompress`, `${(spent.decompress / spent.count).toFixed(0)} µs`)
  say(`UDVM cycles of a message`, (spent.cycles / spent.count).toFixed(0))
}
