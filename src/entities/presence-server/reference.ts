/**
 * Content indirection (RFC 4483): a watcher who takes it gets a reference in place of a large document, and fetches that from
 * the Content Server (PRS-14, CS-04 to CS-08), which shows him what the rules show him then.
 */

import { hash } from 'node:crypto'
import { httpAuthority } from '../../protocols/http/authority.ts'
import type { SipRequest } from '../../protocols/sip/message.ts'
import type { NotifyBody } from '../../protocols/sip-events/event-package.ts'
import { namesType } from '../../protocols/sip-events/request.ts'
import type { Subscription } from '../../protocols/sip-events/subscription.ts'
import type { Turn } from '../../turn.ts'
import { versionOf, viewPath } from '../content-server/uri.ts'
import { changeOwn, ownOf } from './own.ts'

const indirectType = 'message/external-body'
const fetchMs = 600_000

/** Keeps whether the watcher takes references: only who names the type does (§5.1), and not with a weight of 0. */
export function noteWhatIsTaken(subscription: Subscription, request: SipRequest): void {
  const takes = namesType(request, indirectType)
  if (takes || ownOf(subscription).takesReferences) changeOwn(subscription, { takesReferences: takes || undefined })
}

/** The reference that stands for a body, when it is large and the watcher takes that; undefined when it is to be sent itself. */
export function referenceTo(
  { contentType, body }: NotifyBody,
  subscription: Subscription,
  { now, settings }: Turn,
): NotifyBody | undefined {
  const { indirectFromOctets, root } = settings.content
  const { subscriber, expiresAt } = subscription.record
  const isLarge = indirectFromOctets > 0 && body.length >= indirectFromOctets
  // Only our own users can prove to the Content Server who they are.
  const canFetch = subscriber.endsWith(`@${settings.domain}`)
  if (!isLarge || !canFetch || ownOf(subscription).takesReferences !== true) return undefined
  const version = versionOf(body)
  // Whoever asks again proves who he is, so that the URL alone is of no use (§7).
  const url = `${httpAuthority(settings)}${root}/views/${viewPath(subscription.resource, version)}`
  // §5.7: it is good for as long as nothing newer is told, at most as long as the subscription; of a fetch for a while.
  const expiration = new Date(Math.max(expiresAt, now + fetchMs)).toUTCString()
  const sha1 = hash('sha1', body, 'hex')
  return {
    contentType: `${indirectType}; access-type="URL"; expiration="${expiration}"; URL="${url}"; size=${body.length}; hash=${sha1}`,
    // §5.6: one version has one Content-ID, so that it need not be fetched twice.
    body: Buffer.from(
      `Content-Type: ${contentType}\r\nContent-ID: <${version}@${settings.domain}>\r\nContent-Disposition: render\r\n\r\n`,
    ),
  }
}
