/**
 * The formats of stored records and the steps between them. A change of what a table holds, that code before it could not
 * read or would misread, adds one file here with a step forward and back: an update may be rolled back.
 */

import { type Store, type Transaction, table } from '../../../turn.ts'
import { StoreError } from '../error.ts'

export interface Migration {
  readonly from: number
  /** One more than `from`. */
  readonly to: number
  /** Both leave the records exactly as the other format's code would have written them; all of a step is one transaction. */
  forward(db: Transaction): void
  back(db: Transaction): void
}

/** The format this version writes. Format 1 is the first. */
export const currentFormat = 1

/** Every step, in order. Formats 1 to `currentFormat` need one step less than formats: there is none yet. */
export const migrations: readonly Migration[] = []

/**
 * The header every database has: the format, and who wrote it. How it is stored never changes, so that any version can
 * tell whether it may read the rest.
 */
export type Header = readonly [format: number, writtenBy: string]
export const headerTable = table<Header>('header', 'hard')
export const headerKey = ['format']

/**
 * Takes the records step by step from the format the header says to `to`, forward or back. Throws StoreError
 * `newer-version` when a step is not known, before anything is changed.
 */
export async function migrate(store: Store, to: number, writtenBy: string, steps: readonly Migration[]): Promise<void> {
  const header = store.transact(db => db.get(headerTable, headerKey))
  const from = header?.[0] ?? to
  const path = stepsBetween(from, to, steps)
  if (path === undefined) {
    throw new StoreError(
      'newer-version',
      `the database has format ${from} (written by ${header?.[1]}); this version cannot take it to format ${to}`,
    )
  }
  for (const step of path) {
    store.transact(db => {
      if (to > from) step.forward(db)
      else step.back(db)
      db.put(headerTable, headerKey, [to > from ? step.to : step.from, writtenBy])
    })
    await store.committed()
  }
  if (header === undefined) {
    store.transact(db => db.put(headerTable, headerKey, [to, writtenBy]))
    await store.committed()
  }
}

function stepsBetween(from: number, to: number, steps: readonly Migration[]): readonly Migration[] | undefined {
  const low = Math.min(from, to)
  const high = Math.max(from, to)
  const path = steps.filter(step => step.from >= low && step.to <= high).sort((a, b) => a.from - b.from)
  if (path.length !== high - low) return undefined
  return to > from ? path : path.toReversed()
}
