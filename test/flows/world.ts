/** What a flow plays in: a box, people with handsets, and time. Simulated, or the real box on loopback. */

import type { Instant } from '../../src/turn.ts'
import type { PresenceSource } from '../actors/presence-source.ts'
import type { Registrant } from '../actors/registrant.ts'
import type { Watcher } from '../actors/watcher.ts'

export interface Person {
  readonly aor: string
  readonly agent: Registrant
  readonly source: PresenceSource
  readonly watcher: Watcher
}

export interface World {
  now(): Instant
  /** The person of that name, with an account and a handset from the first mention on. */
  person(name: string): Person
  people(): Iterable<Person>
  /** Lets things happen until the condition holds; false if it does not within that time. */
  until(condition: () => boolean, withinMs: number): Promise<boolean>
  /** Lets everything that is under way come to rest. */
  quiet(): Promise<void>
  /** Lets time pass. */
  pass(milliseconds: number): Promise<void>
  /** Kills the box as `kill -9` does, and starts it again. */
  restart(): Promise<void>
  /** Stores a document of a person, by its path from the root of the host; the status of the answer. */
  put(name: string, target: string, type: string, body: string): Promise<number>
  /** Changes a setting of the running box. */
  set(name: string, value: string): Promise<void>
}
