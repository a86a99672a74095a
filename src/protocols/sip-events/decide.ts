/** Asking a package whether someone may subscribe. */

import type { Turn } from '../../turn.ts'
import type { Subscriber } from './event-package.ts'
import { refusalOf } from './request.ts'
import type { EventService } from './service.ts'

/**
 * The package's decision on a subscriber as things are now. A refusal with 404 says that the resource is gone, any other
 * that he may not subscribe.
 */
export function decide(
  service: EventService,
  resource: string,
  subscriber: Subscriber,
  turn: Turn,
  shared?: Map<string, unknown>,
): 'active' | 'pending' | 'rejected' | 'noresource' {
  try {
    return service.eventPackage.authorize(resource, subscriber, turn, shared)
  } catch (error) {
    return refusalOf(error).status === 404 ? 'noresource' : 'rejected'
  }
}
