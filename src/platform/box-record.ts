/** What a box knows of itself, whatever its settings: its secret, and since when it has served. */

import { type Instant, type Random, type Store, table } from '../turn.ts'

const box = table<string | Instant>('box', 'hard')

/** 32 letters and digits (190 bits) that key fingerprints and nonces: drawn once, the same at every start. */
export function boxSecret(store: Store, random: Random): string {
  return store.transact(db => {
    const known = db.get(box, ['secret'])
    if (known !== undefined) return String(known)
    const drawn = random.token(32)
    db.put(box, ['secret'], drawn)
    return drawn
  })
}

/** True the first time it is called on this store: the box has never served before. */
export function isFirstStart(store: Store, now: Instant): boolean {
  return store.transact(db => {
    if (db.get(box, ['served-since']) !== undefined) return false
    db.put(box, ['served-since'], now)
    return true
  })
}
