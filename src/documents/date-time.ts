/** `xs:dateTime` (XML Schema part 2 §3.2.7) within the profile of RFC 3339: timestamps of RFC 3863 §4.1.7 and `until`. */

import type { Instant } from '../turn.ts'

/**
 * The instant that `2026-11-20T10:00:00.5+01:00` names; undefined when it is no dateTime. Without a time zone it is taken
 * as UTC. What is finer than a millisecond is cut off.
 */
export function parseDateTime(text: string): Instant | undefined {
  if (text.length < 19) return undefined
  const year = digits(text, 0, 4)
  const month = digits(text, 5, 7)
  const day = digits(text, 8, 10)
  const hour = digits(text, 11, 13)
  const minute = digits(text, 14, 16)
  const second = digits(text, 17, 19)
  // One negative part makes the union negative.
  if ((year | month | day | hour | minute | second) < 0) return undefined
  if (text[4] !== '-' || text[7] !== '-' || text[10] !== 'T' || text[13] !== ':' || text[16] !== ':') return undefined
  if (year === 0 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined
  let at = 19
  let milliseconds = 0
  if (text[at] === '.') {
    const start = ++at
    while (isDigit(text.charCodeAt(at))) at++
    if (at === start) return undefined
    milliseconds = Number(text.slice(start, Math.min(at, start + 3)).padEnd(3, '0'))
  }
  const zone = zoneMinutes(text, at)
  if (zone === undefined) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  // 31 April would have become 1 May.
  if (date.getUTCMonth() !== month - 1) return undefined
  return date.getTime() + ((hour * 60 + minute - zone) * 60 + second) * 1000 + milliseconds
}

/** `2026-11-20T10:00:00Z`, with milliseconds only when there are some. */
export function formatDateTime(instant: Instant): string {
  const text = new Date(instant).toISOString()
  return text.endsWith('.000Z') ? `${text.slice(0, -5)}Z` : text
}

function zoneMinutes(text: string, at: number): number | undefined {
  const rest = text.length - at
  if (rest === 0) return 0
  if (text[at] === 'Z') return rest === 1 ? 0 : undefined
  if (rest !== 6 || text[at + 3] !== ':') return undefined
  const hours = digits(text, at + 1, at + 3)
  const minutes = digits(text, at + 4, at + 6)
  if ((hours | minutes) < 0 || minutes > 59 || hours * 60 + minutes > 840) return undefined
  if (text[at] === '+') return hours * 60 + minutes
  return text[at] === '-' ? -(hours * 60 + minutes) : undefined
}

function digits(text: string, start: number, end: number): number {
  let value = 0
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return -1
    value = value * 10 + code - 0x30
  }
  return value
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}
