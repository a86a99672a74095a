/**
 * Lists that contain themselves by way of other servers (RFC 4662 §7.4, RLS-11). A back-end SUBSCRIBE says in a field of ours
 * through which lists it has come, each as a keyed digest that tells others nothing; a list that finds itself there has come
 * again. Servers that do not pass the field on are caught by Max-Forwards, which is one lower in each back-end SUBSCRIBE than in
 * the one it is for, and by no more than so many hops (as RFC 7332 §5 has it for B2BUAs).
 */

import { loopDetected, tooManyHops } from '../../protocols/sip/errors.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { Turn } from '../../turn.ts'

export const listPathField = 'P-Porchlight-List-Path'

/** Back-end subscriptions may lead through so many servers. */
const maximumHops = 16
const maximumPath = 8

export interface Way {
  /** What back-end SUBSCRIBEs say of where they have come through. */
  readonly path: string
  /** Their Max-Forwards; below 1 there can be none. */
  readonly maxForwards: number
}

/** The way on from a SUBSCRIBE to a list. Throws 482 when it has come through that list before, 483 when through too many. */
export function wayOn(request: SipRequest, uri: string, packageName: string, turn: Turn): Way {
  const own = turn.fingerprint('list path', packageName, uri)
  const path = request
    .fieldValues(listPathField)
    .flatMap(value => value.split(','))
    .map(one => one.trim())
    .filter(one => one !== '')
  if (path.includes(own)) throw loopDetected()
  if (path.length >= maximumPath) throw tooManyHops()
  return {
    path: [...path, own].join(', '),
    maxForwards: Math.min(request.maxForwards ?? 70, maximumHops) - 1,
  }
}
