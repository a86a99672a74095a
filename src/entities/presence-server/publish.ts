/**
 * The Event State Compositor for `presence`: PUBLISH in the steps of RFC 3903 §6.
 */

import { patchOpsErrorType, writePatchError } from '../../documents/patch-ops-error.ts'
import { pidfContentType } from '../../documents/pidf.ts'
import { type PidfDiff, patchedPidf, pidfDiffContentType, readPidfDiff } from '../../documents/pidf-diff.ts'
import { parsePidf } from '../../documents/pidf-parts.ts'
import { type Permissions, seesEverything } from '../../documents/presence-rules.ts'
import { type PidfSummary, publishedPidf } from '../../documents/published-pidf.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { PatchError } from '../../documents/xml/patch.ts'
import { limits } from '../../limits.ts'
import {
  badEvent,
  badRequest,
  conditionalRequestFailed,
  forbidden,
  notFound,
  requestEntityTooLarge,
  type SipRefusal,
  serviceUnavailable,
  unsupportedMediaType,
} from '../../protocols/sip/errors.ts'
import { respond, type SipRequest } from '../../protocols/sip/message.ts'
import { entityTag, ifMatch, publicationOf, requestFingerprint } from '../../protocols/sip-events/entity-tag.ts'
import { eventOf, grantedExpires, senderOf } from '../../protocols/sip-events/request.ts'
import type { Instant, Output, Turn } from '../../turn.ts'
import { DocumentsAwaited } from '../xdms/document-reader.ts'
import type { PresenceContext } from './context.ts'
import { presenceDocument, presenceSources } from './presence-document.ts'
import { type PublicationBody, publicationBody, publishContentTypes } from './publication-body.ts'
import {
  currentPublications,
  deletePublication,
  isCurrent,
  type Publication,
  putPublication,
  storedPublication,
} from './publications.ts'
import { storeObjects } from './published-objects.ts'
import { filterPresence } from './rules/filter.ts'
import { isSameSource } from './same-source.ts'
import type { Ready } from './stored-first.ts'
import { presenceWakes } from './wakes.ts'

/**
 * Handles PUBLISH (RFC 3903 §6; PRS-3). Replaces at most one publication, keyed by presentity and entity-tag, or with a
 * lifetime of 0 removes it; who watches the presentity is notified in a later turn.
 *
 * Throws 404, 403, 489, 400 or 412, 423, 415 or 400 or 413, and 503 when the presentity has too many or a source is too
 * quick: the order in which the RFC checks. A request that comes again after a restart is answered as it was before. One whose
 * objects are on a Content Server elsewhere is answered later, when it is published again with what is `ready` then.
 */
export function publish(request: SipRequest, turn: Turn, context: PresenceContext, ready: Ready = {}): Output[] {
  const { presentity, permissions } = requestedPresentity(request, turn, context) // step 1: 404, 403
  if (eventOf(request)?.name !== 'presence') throw badEvent(['presence']) // step 2: 489
  const carried = publicationBody(request, presentity, ready, context.objects, turn) // 400, 415
  if ('uri' in carried) return context.waiting.fetchFirst(request, carried)
  const published = publishedBody(carried, permissions)
  const match = matchingPublication(request, published.document, presentity, turn, context) // step 3: 400, 412
  if (match.repeated !== undefined) return [answer(request, match.repeated.entityTag, match.repeated.lifetimeSeconds)]
  const lifetimeSeconds = grantedExpires(request, publicationExpires(turn)) // step 4: 423
  if (lifetimeSeconds === 0) return [answer(request, match.tag, 0), ...remove(presentity, match, turn, context)]
  const content = publishedDocument(carried, published, match.previous, permissions) // step 5: 415, 400, 413
  const asked = ready.areStored ? [] : context.waiting.storeFirst(request, presentity, carried.objects, ready, turn) // 413, 415, 503
  if (asked.length > 0) return asked
  const stored = storeObjects(presentity, carried.objects, context.objects, turn) // 413, 415
  const outputs = replace(presentity, match, content, lifetimeSeconds, turn, context) // 503
  return [answer(request, match.tag, lifetimeSeconds), ...stored, ...outputs] // step 6
}

/** Something published may have ended by its `until` (OP-11): tells those who watch, and wakes again for what ends next. */
export function elementsEnded(presentity: string, turn: Turn, context: PresenceContext): Output[] {
  const isEnding = presenceSources(presentity, turn, context.documents).some(
    ({ summary }) => summary.until !== 0 && summary.until <= turn.now,
  )
  if (!isEnding) return []
  const outputs = context.presenceChanged(presentity, turn)
  const next = presenceDocument(presentity, turn, context).changesAt
  if (next !== undefined && next > turn.now) outputs.push(presenceWakes.elementsEnd(presentity, next))
  return outputs
}

/** A publication may have ended: removes what is left of it, and tells those who watch. */
export function expirePublication(presentity: string, id: string, turn: Turn, context: PresenceContext): Output[] {
  const publication = storedPublication(turn.db, presentity, id)
  if (publication === undefined) return []
  if (publication.expiresAt > turn.now) {
    return [{ kind: 'wake', at: publication.expiresAt, token: publicationToken(presentity, id) }]
  }
  deletePublication(turn.db, presentity, id)
  return publication.lifetimeSeconds === 0 ? [] : context.presenceChanged(presentity, turn)
}

/** Removes whatever a presentity has published, when he is no longer a user. */
export function removePublications(presentity: string, turn: Turn): void {
  for (const { id } of currentPublications(turn.db, presentity, turn.now)) deletePublication(turn.db, presentity, id)
}

/** The token of wakes for the end of a publication. */
function publicationToken(presentity: string, id: string): string {
  return `publication ${presentity} ${id}`
}

/** Step 1, and who may publish: the presentity (PS-12), and whom his publication rules let (PS-112). */
function requestedPresentity(
  request: SipRequest,
  turn: Turn,
  context: PresenceContext,
): { readonly presentity: string; readonly permissions: Permissions } {
  const presentity = context.userOf(request.requestUri)
  if (presentity === undefined || !context.isUser(turn.db, presentity)) throw notFound()
  const outcome = context.authorization.publication(presentity, senderOf(request, turn), turn)
  // PS-08: nothing is decided before his rules are there.
  if (outcome === 'unavailable') throw new DocumentsAwaited()
  const { handling, permissions } = outcome
  if (handling !== 'allow') throw forbidden('Not the Presentity')
  return { presentity, permissions }
}

/** What a body publishes (RFC 5264 §4.3). What cannot be read stays as it is, to be refused in its turn. */
interface PublishedBody {
  /** Of a whole document what counts; for operations the body itself. */
  readonly document: Uint8Array
  /** For `application/pidf-diff+xml`: the body as read, or why it cannot be. */
  readonly partial?: PidfDiff | PatchError
}

function publishedBody({ type, document: body }: PublicationBody, permissions: Permissions): PublishedBody {
  if (body.length === 0 || body.length > limits.publicationOctets) return { document: body }
  if (type !== pidfDiffContentType) return { document: counted(body, permissions) }
  try {
    const partial = readPidfDiff(body)
    return { document: partial.kind === 'full' ? counted(partial.document, permissions) : body, partial }
  } catch (error) {
    if (error instanceof PatchError) return { document: body, partial: error }
    throw error
  }
}

/** Of a document what counts (PS-112). */
function counted(document: Uint8Array, permissions: Permissions): Uint8Array {
  if (seesEverything(permissions)) return document
  try {
    return filterPresence(parsePidf(document), permissions)
  } catch (error) {
    if (error instanceof XmlError) return document
    throw error
  }
}

/** What a request is about: a publication that it makes or has found, the tag it brings; or one that it has brought before. */
interface Match {
  readonly id: string
  readonly tag: string
  readonly previous?: Publication
  readonly repeated?: Publication
}

/** Step 3. Throws 400 when SIP-If-Match is not one entity-tag, 412 when it is not one we know. */
function matchingPublication(
  request: SipRequest,
  body: Uint8Array,
  presentity: string,
  turn: Turn,
  context: PresenceContext,
): Match {
  const condition = ifMatch(request)
  if (condition === undefined) return initial(request, body, presentity, turn, context)
  return matching(request, presentity, condition, turn)
}

/** Step 3 without a precondition: a new publication, unless the same request has come before (PS-15). */
function initial(
  request: SipRequest,
  body: Uint8Array,
  presentity: string,
  turn: Turn,
  context: PresenceContext,
): Match {
  const id = requestFingerprint(request, periodOf(turn.now), turn)
  const tag = entityTag(id, id)
  const stored = storedPublication(turn.db, presentity, id)
  if (stored?.entityTag === tag && sameOctets(stored.document, body)) return { id, tag, repeated: stored }
  if (stored !== undefined) {
    // Another request under the same Call-ID, CSeq and branch.
    const other = turn.fingerprint(id, String(turn.now), stored.entityTag)
    return { id: other, tag: entityTag(other, other) }
  }
  // While a process lives its transactions absorb what comes again; after a restart it may have come in the period before.
  if (turn.now - context.restartedAt() < periodMs) {
    const earlier = requestFingerprint(request, periodOf(turn.now - periodMs), turn)
    const repeated = storedPublication(turn.db, presentity, earlier)
    const earlierTag = entityTag(earlier, earlier)
    if (repeated?.entityTag === earlierTag && sameOctets(repeated.document, body)) {
      return { id: earlier, tag: earlierTag, repeated }
    }
  }
  return { id, tag }
}

/** Longer than a request is repeated (64*T1). */
const periodMs = 65_536

function periodOf(now: Instant): string {
  return String(Math.floor(now / periodMs))
}

/** Step 3 with a precondition. Throws 412. */
function matching(request: SipRequest, presentity: string, condition: string, turn: Turn): Match {
  const id = publicationOf(condition)
  const stored = storedPublication(turn.db, presentity, id)
  if (stored === undefined) throw conditionalRequestFailed()
  const tag = entityTag(id, requestFingerprint(request, '', turn))
  if (stored.previousTag === condition && stored.entityTag === tag) return { id, tag, repeated: stored }
  if (stored.entityTag !== condition || !isCurrent(stored, turn.now)) throw conditionalRequestFailed()
  return { id, tag, previous: stored }
}

function publicationExpires(turn: Turn) {
  const { publicationDefaultSeconds, publicationMinSeconds, publicationMaxSeconds } = turn.settings.presence
  return {
    defaultSeconds: publicationDefaultSeconds,
    minSeconds: publicationMinSeconds,
    maxSeconds: publicationMaxSeconds,
  }
}

interface PublishedContent {
  readonly document: Uint8Array
  readonly summary: PidfSummary
}

/** Step 5: the document, checked; undefined for a refresh. A body in a refresh is what the client now publishes (PS-16). */
function publishedDocument(
  { type, document: body }: PublicationBody,
  published: PublishedBody,
  previous: Publication | undefined,
  permissions: Permissions,
): PublishedContent | undefined {
  if (body.length === 0) {
    if (previous === undefined) throw badRequest('Body Expected')
    return undefined
  }
  if (type !== pidfContentType && type !== pidfDiffContentType) throw unsupportedMediaType(publishContentTypes)
  if (body.length > limits.publicationOctets) throw requestEntityTooLarge()
  const document = wholeDocument(published, previous, permissions)
  if (document.length > limits.publicationOctets) throw requestEntityTooLarge()
  try {
    return { document, summary: publishedPidf(document) }
  } catch (error) {
    if (error instanceof XmlError) throw badRequest(`PIDF ${printable(error.message)}`)
    throw error
  }
}

/** RFC 5264 §4.3: a whole document, or the one published before with the changes. Throws 400 with the error of the patch. */
function wholeDocument(
  { document, partial }: PublishedBody,
  previous: Publication | undefined,
  permissions: Permissions,
): Uint8Array {
  if (partial === undefined) return document
  if (partial instanceof PatchError) throw patchRefused(partial)
  if (partial.kind === 'full') return document
  if (previous === undefined) throw badRequest('Invalid Partial Publication')
  const { operations, steps } = limits.patch
  const options = { maximumOperations: operations, maximumSteps: steps }
  try {
    return counted(patchedPidf(previous.document, partial.operations, options), permissions)
  } catch (error) {
    if (error instanceof PatchError) throw patchRefused(error)
    throw error
  }
}

function patchRefused(error: PatchError): SipRefusal {
  const refusal = badRequest(`Patch ${printable(error.message)}`)
  refusal.body = { type: patchOpsErrorType, body: writePatchError(error) }
  return refusal
}

/** What a document says about itself goes into the reason phrase only as far as that can carry it (RFC 3261 §25.1). */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200)
}

/**
 * Step 5: stores what is published from now on, `content` or what was before, and wakes whoever that concerns. Throws 503 to a
 * source that is too quick, and when the presentity has too many publications.
 */
function replace(
  presentity: string,
  { id, tag, previous }: Match,
  content: PublishedContent | undefined,
  lifetimeSeconds: number,
  turn: Turn,
  context: PresenceContext,
): Output[] {
  if (content !== undefined && previous !== undefined) paceSource(previous, turn)
  const publication: Publication = {
    entityTag: tag,
    previousTag: previous?.entityTag ?? '',
    document: content?.document ?? previous!.document,
    summary: content?.summary ?? previous!.summary,
    since: previous?.since ?? turn.now,
    publishedAt: content === undefined ? previous!.publishedAt : turn.now,
    lifetimeSeconds,
    expiresAt: turn.now + lifetimeSeconds * 1000,
  }
  if (previous === undefined) makeRoom(presentity, publication, turn)
  putPublication(turn.db, presentity, id, publication)
  const outputs: Output[] = []
  // A wake at or before the end of every publication is always pending: one that only lasts longer needs no other.
  if (previous === undefined || publication.expiresAt < previous.expiresAt) {
    outputs.push({ kind: 'wake', at: publication.expiresAt, token: publicationToken(presentity, id) })
  }
  if (content === undefined) return outputs
  const { until } = content.summary
  if (until !== 0) outputs.push(presenceWakes.elementsEnd(presentity, Math.max(until, turn.now)))
  outputs.push(...context.presenceChanged(presentity, turn))
  return outputs
}

/** PS-13, RFC 3903 §9: a source that publishes too often is pushed back by 503, until it may publish again. */
function paceSource(previous: Publication, turn: Turn): void {
  const waitMs = previous.publishedAt + turn.settings.presence.minPublishIntervalSeconds * 1000 - turn.now
  if (waitMs > 0) throw serviceUnavailable(Math.ceil(waitMs / 1000))
}

/**
 * Sees that a new publication does not stand beside too many. With `presence.replaceSameSource`, one of the same source,
 * forgotten by it or lost with a 412, gives way at once (PS-17). Throws 503 until the first of the others ends.
 */
function makeRoom(presentity: string, publication: Publication, turn: Turn): void {
  const others = currentPublications(turn.db, presentity, turn.now)
  if (others.length === 0) return
  const forgotten = turn.settings.presence.replaceSameSource
    ? others.filter(({ publication: other }) => isSameSource(publication.document, other.document))
    : []
  if (others.length - forgotten.length >= limits.publicationsPerPresentity) {
    const first = Math.min(...others.map(other => other.publication.expiresAt))
    throw serviceUnavailable(Math.ceil((first - turn.now) / 1000))
  }
  for (const { id } of forgotten) deletePublication(turn.db, presentity, id)
}

/** PS-09: the state is gone at once; that its tag was the last one is remembered while the request may come again. */
function remove(presentity: string, { id, tag, previous }: Match, turn: Turn, context: PresenceContext): Output[] {
  if (previous === undefined) return []
  const expiresAt = turn.now + limits.requestRepeatMs
  putPublication(turn.db, presentity, id, {
    ...previous,
    entityTag: tag,
    previousTag: previous.entityTag,
    document: noOctets,
    lifetimeSeconds: 0,
    expiresAt,
  })
  return [
    { kind: 'wake', at: expiresAt, token: publicationToken(presentity, id) },
    ...context.presenceChanged(presentity, turn),
  ]
}

const noOctets = new Uint8Array(0)

/** Step 6: no Record-Route and no Contact (PS-10). */
function answer(request: SipRequest, tag: string, lifetimeSeconds: number): Output {
  return {
    kind: 'respond',
    transaction: request.transaction,
    response: respond(request, 200, {
      toTag: publicationOf(tag),
      headers: [
        ['SIP-ETag', tag],
        ['Expires', String(lifetimeSeconds)],
      ],
    }),
  }
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
