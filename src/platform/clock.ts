/**
 * The clock adapter: wall-clock time anchored to monotonic time, so that an Instant never runs backwards. A board without
 * a battery clock starts in the past; `timeIsKnown` holds service until the time is plausible once.
 */

import type { Instant } from '../turn.ts'

export interface Clock {
  now(): Instant
}

/** What the machine says; tests put their own in place. */
export interface TimeSource {
  /** Milliseconds since the Unix epoch; may jump either way when somebody sets it. */
  wallMs(): number
  /** Milliseconds since some moment; never jumps. */
  monotonicMs(): number
}

const machine: TimeSource = { wallMs: () => Date.now(), monotonicMs: () => performance.now() }

/** A step of the wall clock by less than this is taken for ordinary adjustment (slewing) and not followed. */
const stepMs = 1000
/** How often the wall clock is looked at. */
const lookMs = 1000

/**
 * A clock that starts no earlier than `notBefore`. It follows a forward step of the wall clock; a backward step is not
 * followed: time goes on from where it was.
 */
export function createClock(notBefore: Instant = 0, source: TimeSource = machine): Clock {
  let anchor = Math.max(source.wallMs(), notBefore) - source.monotonicMs()
  let nextLook = source.monotonicMs() + lookMs
  let latest = 0
  return {
    now() {
      const monotonic = source.monotonicMs()
      if (monotonic >= nextLook) {
        nextLook = monotonic + lookMs
        const wall = source.wallMs()
        if (wall - (anchor + monotonic) > stepMs) anchor = wall - monotonic
      }
      latest = Math.max(latest, Math.floor(anchor + monotonic))
      return latest
    },
  }
}

/**
 * Resolves to true when the wall clock has reached `notBefore` (something the box knows to be past, such as its last
 * write), to false after `patienceMs` of waiting in vain.
 */
export async function timeIsKnown(notBefore: Instant, patienceMs: number, signal?: AbortSignal): Promise<boolean> {
  const giveUp = performance.now() + patienceMs
  while (Date.now() < notBefore) {
    if (performance.now() >= giveUp || signal?.aborted) return false
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  return true
}
