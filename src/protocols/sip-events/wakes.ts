/**
 * The tokens by which a notifier is woken, and those of its NOTIFYs: a word, the package, the resource and what else there is,
 * with spaces between, which none of them holds.
 */

import type { EntityName, Instant, Output } from '../../turn.ts'

/** The wake by which another entity says that what subscribers of a resource are told has changed. */
export function resourceWake(packageName: string, resource: string, at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: `resource ${packageName} ${resource}` }
}

/** The wake by which it is said that who may subscribe to a resource has changed, or that the resource has come or gone. */
export function policyWake(packageName: string, resource: string, at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: policyToken(packageName, resource) }
}

/** The wake by which it is said that a policy of the whole box has changed. */
export function policiesWake(at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: 'policies' }
}

/** The wake by which it is said that somebody is no user any more: what he has subscribed to ends. */
export function departedWake(subscriber: string, at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: `departed ${subscriber}` }
}

/** The subscriptions of a package are to be looked through for his, from this one on. */
export function departedToken(packageName: string, subscriber: string, resource = '', id = ''): string {
  return `departed-from ${packageName} ${subscriber} ${resource} ${id}`
}

export function wakeAt(at: Instant, token: string): Output {
  return { kind: 'wake', at, token }
}

/** Subscribers of a resource are to be told of its revision, from the one with tag `from` on. */
export function fanOutToken(packageName: string, resource: string, from = ''): string {
  return `fan-out ${packageName} ${resource} ${from}`
}

/** One subscriber of a resource is to be told of its revision. */
export function serveToken(packageName: string, resource: string, id: string): string {
  return `serve ${packageName} ${resource} ${id}`
}

/** The legs of a resource are to be told of its revision, from the one with this id on. */
export function legsToken(packageName: string, resource: string, from = ''): string {
  return `legs ${packageName} ${resource} ${from}`
}

/** A leg may have come, changed or gone: said by its holder to the notifier, and by the notifier to its holder. */
export function legToken(packageName: string, resource: string, id: string): string {
  return `leg ${packageName} ${resource} ${id}`
}

/** The wake by which the holder of a leg says that he wants it, or no longer. */
export function legWake(packageName: string, resource: string, id: string, at: Instant, entity: EntityName): Output {
  return { kind: 'wake', entity, at, token: legToken(packageName, resource, id) }
}

/** Not of a wake but of the NOTIFYs to one subscriber, of which one is under way at a time. */
export function notifyToken(packageName: string, resource: string, id: string): string {
  return `notify ${packageName} ${resource} ${id}`
}

/** A subscriber may have to be told something although nothing has changed. */
export function rateToken(packageName: string, resource: string, id: string): string {
  return `rate ${packageName} ${resource} ${id}`
}

/** The state of a subscriber himself has changed: his subscriptions are looked through, from this one on. */
export function subscriberToken(packageName: string, subscriber: string, resource = '', id = ''): string {
  return `subscriber ${packageName} ${subscriber} ${resource} ${id}`.trimEnd()
}

/** A subscription may have ended. */
export function expireToken(packageName: string, resource: string, id: string): string {
  return `expire ${packageName} ${resource} ${id}`
}

/** A waiting watcher may have waited long enough. */
export function giveUpToken(packageName: string, resource: string, subscriber: string): string {
  return `giveup ${packageName} ${resource} ${subscriber}`
}

export function policyToken(packageName: string, resource: string): string {
  return `policy ${packageName} ${resource}`
}

/** The resources of a package that somebody subscribes to, or waits for, are to be woken, from this one on. */
export function policiesToken(
  packageName: string,
  kind: 'subscribed' | 'waiting',
  resource = '',
  subscriber = '',
): string {
  return `policies ${packageName} ${resource} ${kind} ${subscriber}`
}

/** The subscriptions of a package are to be looked through, from the one with tag `from` to `resource` on. */
export function restartToken(packageName: string, restartedAt: Instant, resource = '', from = ''): string {
  return `restart ${packageName} ${resource} ${from} ${restartedAt}`
}
