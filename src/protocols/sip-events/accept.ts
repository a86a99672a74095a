/** What every accepted SUBSCRIBE is granted and answered, outside a dialog and within (RFC 6665 §4.2.1.1, §4.2.1.4). */

import type { Output, Turn } from '../../turn.ts'
import { recordRoutes } from '../sip/dialog.ts'
import { type HeaderField, respond, type SipRequest } from '../sip/message.ts'
import { requireFields } from './notify.ts'
import { grantedExpires } from './request.ts'
import type { EventService } from './service.ts'
import type { Subscription } from './subscription.ts'

/** The lifetime in seconds. Throws 423. */
export function granted(request: SipRequest, service: EventService, turn: Turn): number {
  const bounds = service.eventPackage.expiresBounds?.(turn)
  return grantedExpires(request, {
    defaultSeconds: bounds?.defaultSeconds ?? service.eventPackage.defaultExpiresSeconds,
    minSeconds: bounds?.minSeconds ?? 0,
    maxSeconds: bounds?.maxSeconds ?? 0xffff_ffff,
  })
}

/** RFC 6665 §4.2.1.1 and RFC 3261 §12.1.1: 200, never 202 (RFC 6665 §8.3.1); 204 when no NOTIFY follows (RFC 5839 §6.3). */
export function accept(
  request: SipRequest,
  service: EventService,
  subscription: Subscription,
  seconds: number,
  turn: Turn,
  status: 200 | 204 = 200,
): Output {
  const headers: HeaderField[] = [
    ...recordRoutes(request),
    ['Contact', service.contact(subscription.resource, subscription.record, turn)],
    ['Expires', String(seconds)],
    ['Allow-Events', service.allowEvents().join(', ')],
    ...requireFields(service.eventPackage),
  ]
  return {
    kind: 'respond',
    transaction: request.transaction,
    response: respond(request, status, { toTag: subscription.id, headers }),
  }
}
