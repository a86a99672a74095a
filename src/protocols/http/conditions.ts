/** Conditional requests: If-Match and If-None-Match against an entity-tag (RFC 9110 §13). */

import { preconditionFailed } from './errors.ts'
import type { HttpRequest } from './message.ts'

/**
 * Evaluates the conditions of a request in the order of RFC 9110 §13.2.2; `current` is the entity-tag in quotes, undefined
 * when there is nothing. Conditions on dates count for nothing, since we tell no dates (§13.1.3, §13.1.4).
 *
 * `not-modified` only for GET and HEAD: the answer is 304. Throws 412.
 */
export function checkConditions(request: HttpRequest, current: string | undefined): 'proceed' | 'not-modified' {
  const { headers, method } = request
  const match = headers['if-match']
  // A weak tag is never equal to anything here (§8.8.3.2).
  if (match !== undefined && !(current !== undefined && lists(match, current, false))) throw preconditionFailed(current)
  const noneMatch = headers['if-none-match']
  if (noneMatch === undefined || current === undefined || !lists(noneMatch, current, true)) return 'proceed'
  if (method === 'GET' || method === 'HEAD') return 'not-modified'
  throw preconditionFailed(current)
}

/** Whether a list of entity-tags, or `*`, has this strong one. */
function lists(list: string, current: string, weak: boolean): boolean {
  if (list === current) return true
  for (let at = 0; at < list.length; ) {
    const character = list[at]!
    if (character === ' ' || character === '\t' || character === ',') {
      at++
      continue
    }
    let isWeak = false
    if (list.startsWith('W/"', at)) {
      isWeak = true
      at += 2
    }
    // Opaque tags may contain commas.
    let end = list[at] === '"' ? list.indexOf('"', at + 1) + 1 : list.indexOf(',', at)
    if (end <= 0) end = list.length
    const tag = list.slice(at, end).trim()
    if (tag === '*') return true
    // COMPAT(xcap): clients are known that send back the tag without its quotes.
    if ((weak || !isWeak) && (tag === current || `"${tag}"` === current)) return true
    at = end
  }
  return false
}
