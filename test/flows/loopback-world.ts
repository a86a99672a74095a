/** A world of real time: handsets on this machine's loopback, and a box that answers them there, wherever it runs. */

import { EventEmitter, once } from 'node:events'
import type { TestContext } from 'node:test'
import type { Endpoint, Exchange } from '../actors/user-agent.ts'
import { Handset } from './handset.ts'
import type { Person, World } from './world.ts'

const cast = ['Alice', 'Bob', 'Carol']

/** The cast as `porchlight user import` reads users. */
export const castAsUsers = cast.map(name => `sip:${name.toLowerCase()}@box.example,secret of ${name}\n`).join('')

/** A handset for each of the cast; what happens to one is told to whoever waits. */
export interface Cast {
  readonly people: ReadonlyMap<string, Handset>
  readonly happened: EventEmitter
}

/** The box answers at `port`; `seen` is how it knows itself when datagrams are forwarded to it. */
export async function openCast(test: TestContext, port: number, compresses: boolean, seen?: Endpoint): Promise<Cast> {
  const happened = new EventEmitter()
  const people = new Map<string, Handset>()
  for (const name of cast) people.set(name, await Handset.open(test, name, port, happened, compresses, seen))
  return { people, happened }
}

export abstract class LoopbackWorld implements World {
  readonly #cast: Cast
  readonly #answerMs: number

  /** `answerMs` is how long the box may take over an OPTIONS. */
  constructor(people: Cast, answerMs: number) {
    this.#cast = people
    this.#answerMs = answerMs
  }

  now(): number {
    return Date.now()
  }

  person(name: string): Person {
    const person = this.#cast.people.get(name)
    if (person === undefined) throw new Error(`${name} is not in the cast: ${cast.join(', ')}`)
    return person
  }

  people(): Iterable<Person> {
    return this.#cast.people.values()
  }

  async until(condition: () => boolean, withinMs: number): Promise<boolean> {
    const deadline = AbortSignal.timeout(withinMs)
    for (const handset of this.#cast.people.values()) handset.transmit()
    while (!condition()) {
      try {
        await once(this.#cast.happened, 'something', { signal: deadline })
      } catch {
        return condition()
      }
    }
    return true
  }

  /** The box answers in order, so once it has answered an OPTIONS, what came before has left it. */
  async quiet(): Promise<void> {
    for (const { agent } of this.#cast.people.values()) {
      const exchange: Exchange = agent.send('OPTIONS', 'sip:box.example', [], this.now())
      if (!(await this.until(() => exchange.final !== undefined, this.#answerMs)))
        throw new Error('no answer to OPTIONS')
    }
  }

  pass(milliseconds: number): Promise<void> {
    throw new Error(`time passes by itself here, not by ${milliseconds} ms`)
  }

  abstract restart(): Promise<void>
  abstract put(name: string, target: string, type: string, body: string): Promise<number>
  abstract set(name: string, value: string): Promise<void>
}
