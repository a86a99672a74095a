/**
 * Objects that a Presence Server elsewhere keeps here (PRS-15): since what refers to them is known to it alone, they stay as long
 * as it goes on asking for them (CS-13).
 */

import { type Instant, type Output, type Turn, table } from '../../turn.ts'
import { deleteObject, type ObjectAddress } from './objects.ts'

/** When one was last asked for: keyed [owner, name]. */
const held = table<Instant>('content-held-objects', 'hard')

/** The parts of the time it stays after which asking for an object is written down again. */
const parts = 8

/** It has been stored or asked for: it stays. */
export function hold({ owner, name }: ObjectAddress, turn: Turn): Output[] {
  const before = turn.db.get(held, [owner, name])
  const keepMs = turn.settings.content.keepSeconds * 1000
  if (before !== undefined && before + keepMs / parts > turn.now) return []
  turn.db.put(held, [owner, name], turn.now)
  return before === undefined ? [wakeFor({ owner, name }, turn.now + keepMs)] : []
}

/** Nobody holds it any more. */
export function letGo({ owner, name }: ObjectAddress, { db }: Turn): void {
  db.delete(held, [owner, name])
}

export function isHeld({ owner, name }: ObjectAddress, { db }: Turn): boolean {
  return db.get(held, [owner, name]) !== undefined
}

/** Its time may have come: it goes when nobody has asked for it. */
export function lookAtHeld(address: ObjectAddress, turn: Turn): Output[] {
  const last = turn.db.get(held, [address.owner, address.name])
  if (last === undefined) return []
  const until = last + turn.settings.content.keepSeconds * 1000
  if (until > turn.now) return [wakeFor(address, until)]
  letGo(address, turn)
  deleteObject(turn.db, address)
  return []
}

function wakeFor({ owner, name }: ObjectAddress, at: Instant): Output {
  return { kind: 'wake', at, token: `${owner} ${name}`, entity: 'content-server' }
}
