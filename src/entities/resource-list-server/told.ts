/** What is kept of what members were told of, for who takes partial state of them or has filters: what he knows needs not be said again. */

import { type Transaction, table } from '../../turn.ts'

/** The package's own, or of a member elsewhere ours: keyed [node, canonical URI]. */
const told = table<unknown>('list told', 'soft')
/** Of whom the last that was told is that there is nothing to tell: keyed likewise. */
const hidden = table<null>('list hidden members', 'soft')

export function toldOf(db: Transaction, id: string, key: string): unknown {
  return db.get(told, [id, key])
}

export function putTold(db: Transaction, id: string, key: string, own: unknown): void {
  db.put(told, [id, key], own)
}

/** Whether the last that was told of a member is that there is nothing to tell of him: what was told before is then no more. */
export function isHidden(db: Transaction, id: string, key: string): boolean {
  return db.get(hidden, [id, key]) !== undefined
}

export function noteHidden(db: Transaction, id: string, key: string, isNow: boolean): void {
  if (isNow) db.put(hidden, [id, key], null)
  else if (isHidden(db, id, key)) db.delete(hidden, [id, key])
}

export function forgetTold(db: Transaction, id: string, key: string): void {
  db.delete(told, [id, key])
  noteHidden(db, id, key, false)
}
