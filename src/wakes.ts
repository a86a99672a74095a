/**
 * The timetable of the entities: wakes asked for in turns, kept in the store so that a restart forgets none. A wake is a
 * hint (`Output` in turn.ts): equal ones are one, and firing for nothing does no harm.
 */

import { type EntityName, type Instant, type Key, type Store, type Transaction, table } from './turn.ts'

/** Keyed [at, entity, token]. */
const wakes = table<true>('wakes', 'soft')

export interface Wake {
  readonly entity: EntityName
  readonly token: string
}

export class Wakes {
  readonly #store: Store
  /** Wakes that are due now, in order, each once; they reach the store only if a commit finds them waiting. */
  readonly #due = new Map<string, Wake>()
  #next: Instant | undefined

  constructor(store: Store) {
    this.#store = store
    this.#next = store.transact(first)
  }

  /** Writes a wake for later, in the transaction of the turn that asks for it. */
  put(db: Transaction, at: Instant, wake: Wake): void {
    db.put(wakes, [at, wake.entity, wake.token], true)
  }

  /** To be called once that transaction stands. */
  noted(at: Instant): void {
    if (this.#next === undefined || at < this.#next) this.#next = at
  }

  /** Notes a wake that is due at once. */
  now(wake: Wake): void {
    this.#due.set(`${wake.entity} ${wake.token}`, wake)
  }

  get areDue(): boolean {
    return this.#due.size > 0
  }

  /** The wake to fire next among those due at once. */
  take(): Wake | undefined {
    for (const [key, wake] of this.#due) {
      this.#due.delete(key)
      return wake
    }
    return undefined
  }

  /** Moves up to `limit` stored wakes whose time has come to those due at once, and out of the store. */
  collect(now: Instant, limit: number): void {
    if (this.#next === undefined || this.#next > now) return
    this.#store.transact(db => {
      for (const [key] of db.range(wakes, { before: [now + 1], limit })) {
        db.delete(wakes, key)
        const [, entity, token] = key as readonly [Instant, EntityName, string]
        this.now({ entity, token })
      }
      this.#next = first(db)
    })
  }

  /** Keeps in the store whatever is due at once and has not fired, so that a commit never strands it. */
  keep(now: Instant): void {
    if (this.#due.size === 0) return
    this.#store.transact(db => {
      for (const wake of this.#due.values()) this.put(db, now, wake)
    })
    this.#due.clear()
    this.noted(now)
  }

  /** When the earliest wake is due; undefined when there is none. */
  get deadline(): Instant | undefined {
    return this.#next
  }
}

function first(db: Transaction): Instant | undefined {
  for (const [key] of db.range(wakes, { limit: 1 })) return (key as Key)[0] as Instant
  return undefined
}
