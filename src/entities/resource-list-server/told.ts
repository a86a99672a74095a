/**
 * What is kept of what members were told of: for who takes partial state of them or has filters, what he knows and needs not be
 * told again; and the versions of lists within the list. It outlives a member who goes and comes back before either was told,
 * since the subscriber still holds what he was told before, and discards what is not newer (RFC 4662 §5.6.1, RFC 5263 §4.5).
 */

import { type Transaction, table } from '../../turn.ts'

/** The package's own, of a member elsewhere ours, or the version of a list that has gone: keyed [node, canonical URI]. */
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

/** Notes which version the next document about a list has that has gone without that being told. */
export function putListVersion(db: Transaction, id: string, key: string, listVersion: number): void {
  putTold(db, id, key, { listVersion } satisfies ToldList)
}

/** The version that the next document about a list has; of one that was not there before the first. */
export function listVersionOf(db: Transaction, id: string, key: string): number {
  const before = toldOf(db, id, key)
  return isToldList(before) ? before.listVersion : 0
}

/** Whether what was told of a member is of another kind of member than he is now. */
export function isOfOtherKind(db: Transaction, id: string, key: string, isList: boolean): boolean {
  const before = toldOf(db, id, key)
  return before !== undefined && isToldList(before) !== isList
}

interface ToldList {
  readonly listVersion: number
}

function isToldList(before: unknown): before is ToldList {
  return typeof before === 'object' && before !== null && 'listVersion' in before
}

/** Members of whom something was told, or that there is nothing to tell. */
export function toldMembers(db: Transaction, id: string): string[] {
  const keys = new Set<string>()
  for (const [key] of db.range(told, { prefix: [id] })) keys.add(key[1] as string)
  for (const [key] of db.range(hidden, { prefix: [id] })) keys.add(key[1] as string)
  return [...keys]
}

export function forgetTold(db: Transaction, id: string, key: string): void {
  db.delete(told, [id, key])
  noteHidden(db, id, key, false)
}
