/**
 * What one watcher is sent: the composed document as authorization lets him see it (PS-111). Watchers with equal permissions
 * share one view, made once per turn.
 */

import { pidfContentType } from '../../documents/pidf.ts'
import { type Pidf, parsePidf } from '../../documents/pidf-parts.ts'
import { seesEverything } from '../../documents/presence-rules.ts'
import type { Filter } from '../../documents/simple-filter.ts'
import type { NotifyBody, Occasion, Subscriber } from '../../protocols/sip-events/event-package.ts'
import { type Subscription, subscriberOf } from '../../protocols/sip-events/subscription.ts'
import type { Turn } from '../../turn.ts'
import type { PresenceContext } from './context.ts'
import { once } from './once.ts'
import { changeOwn, ownOf } from './own.ts'
import { composedLimits, forgetBase, partialBody } from './partial.ts'
import { presenceDocument, unavailableDocument } from './presence-document.ts'
import { referenceTo } from './reference.ts'
import { filterPresence, triggerText } from './rules/filter.ts'
import type { Outcome } from './rules/rule-set.ts'
import { presenceFilter, selects, throughFilter, waitsFor } from './watcher-filter.ts'

/**
 * Which view a subscription was sent last, in its `version`; of one that is not everybody's that is a digest. What a filter has
 * left of it is in `shown`.
 */
const COMPOSED = 1
const UNAVAILABLE = 2

interface View {
  readonly version: number
  /** Of everybody's view made when it is asked for: its number says that it may be another. */
  readonly body: NotifyBody
}

/**
 * The body of a presence NOTIFY. Who is politely blocked gets what is told of a user who is not there, and then nothing more:
 * a user who is not there does not change (PS-100, RFC 5025 §3.2.1). Who may see a part hears nothing when the rest changes.
 */
export function presenceView(
  subscription: Subscription,
  turn: Turn,
  occasion: Occasion,
  context: PresenceContext,
): NotifyBody | undefined | 'unchanged' {
  const { record } = subscription
  const { shared } = occasion
  const seen = seenView(subscription, turn, shared, context)
  const isAsked = occasion.full || occasion.isForced === true
  // First what the presentity lets him see, and which changes of it are to be told (PS-140); then what he wants to be told.
  if (!isAsked && seen.version === record.version && seen.version !== COMPOSED) return 'unchanged'
  const filter = presenceFilter(subscription)
  const isAwaited = filter !== undefined && filter.triggers.length > 0
  if (isAwaited && !awaits(subscription, filter, seen.body, isAsked, turn, shared, context)) return 'unchanged'
  const { version, body } = throughView(seen, filter, turn, shared)
  if (filter !== undefined && selects(filter)) {
    // A change that he has waited for is told though what he is shown may be as it was.
    if (!isAsked && !isAwaited && version === ownOf(subscription).shown) return 'unchanged'
    changeOwn(subscription, { shown: version })
  }
  record.version = seen.version
  if (body.body.length === 0) {
    // A filter that shows nothing is answered by a NOTIFY without a body (RFC 4660 §5.3.1).
    forgetBase(subscription)
    return undefined
  }
  if (record.contentType === partialType) {
    const tag = tagOf(body, turn, shared)
    const isForced = occasion.isForced || isAwaited
    return partialBody(subscription, body.body, tag, { ...occasion, isForced }, context.bases, context.restartedAt())
  }
  if (record.extras === undefined) return body
  forgetBase(subscription)
  // What can be fetched is what he may see, not what his filter leaves of it.
  return (seen.body !== body ? undefined : referenceTo(body, subscription, turn)) ?? body
}

/** Whether a leg is told of a change: as `presenceView` tells a watcher without filters. */
export function presenceHasNews(leg: Subscription, turn: Turn, occasion: Occasion, context: PresenceContext): boolean {
  const { version } = seenView(leg, turn, occasion.shared, context)
  if (!occasion.full && version === leg.record.version && version !== COMPOSED) return false
  leg.record.version = version
  return true
}

/** Place of `application/pidf-diff+xml` in the package's list. */
const partialType = 1

/** A token for what the watcher would be told now, which nothing else that anybody is told has (RFC 5839 §6.1). */
export function presenceTag(
  subscription: Subscription,
  turn: Turn,
  shared: Map<string, unknown>,
  context: PresenceContext,
): string {
  const { body } = viewOf(subscription, turn, shared, context)
  return tagOf(body, turn, shared)
}

function tagOf(body: NotifyBody, turn: Turn, shared: Map<string, unknown>): string {
  return once(shared, body.body, () => turn.fingerprint('presence', textOf(body.body)))
}

/** Whether a filter waits for what has become of what its watcher was told of last; that is remembered if so. */
function awaits(
  subscription: Subscription,
  filter: Filter,
  body: NotifyBody,
  isAsked: boolean,
  turn: Turn,
  shared: Map<string, unknown>,
  context: PresenceContext,
): boolean {
  const tag = tagOf(body, turn, shared)
  const { triggerBase = '' } = ownOf(subscription)
  const before = tag === triggerBase ? body.body : context.bases.get(triggerBase)
  // What was told before may be forgotten: then he is told.
  if (!isAsked && before !== undefined && !waitsFor(before, body.body, filter)) return false
  context.bases.remember(tag, body.body)
  changeOwn(subscription, { triggerBase: tag })
  return true
}

/** What a watcher sees through his filter. */
function viewOf(subscription: Subscription, turn: Turn, shared: Map<string, unknown>, context: PresenceContext): View {
  return throughView(seenView(subscription, turn, shared, context), presenceFilter(subscription), turn, shared)
}

function throughView(seen: View, filter: Filter | undefined, turn: Turn, shared: Map<string, unknown>): View {
  if (filter === undefined || !selects(filter)) return seen
  return once(shared, `filtered ${tagOf(seen.body, turn, shared)} ${JSON.stringify(filter)}`, () => {
    const shown = throughFilter(seen.body.body, filter)
    return view(digest(textOf(shown), turn), shown)
  })
}

/** Filters have changed: what was told through the ones before is nothing to compare with. */
export function forgetTold(subscription: Subscription): void {
  const { triggerBase, shown } = ownOf(subscription)
  if (triggerBase !== undefined || shown !== undefined)
    changeOwn(subscription, { triggerBase: undefined, shown: undefined })
}

/** What a watcher may see. */
function seenView(
  { resource, record }: Subscription,
  turn: Turn,
  shared: Map<string, unknown>,
  context: PresenceContext,
): View {
  const outcome = context.authorization.outcome(resource, subscriberOf(record), turn)
  // The outcome itself is known sooner than its key, and mostly the same for all.
  return once(shared, outcome, () =>
    once(shared, `view ${outcome.key}`, () => makeView(resource, outcome, turn, shared, context)),
  )
}

/** What a watcher would be told now, if he asked: undefined when that would be refused or wait for a decision. */
export function shownDocument(
  presentity: string,
  watcher: Subscriber,
  turn: Turn,
  context: PresenceContext,
): Uint8Array | undefined {
  const outcome = context.authorization.outcome(presentity, watcher, turn)
  if (outcome.handling === 'block' || outcome.handling === 'confirm') return undefined
  return makeView(presentity, outcome, turn, new Map(), context).body.body
}

function makeView(
  presentity: string,
  { handling, permissions, notification: { triggers } }: Outcome,
  turn: Turn,
  shared: Map<string, unknown>,
  context: PresenceContext,
): View {
  if (handling !== 'allow') return view(UNAVAILABLE, unavailableDocument(presentity, turn.now))
  const composed = () => once(shared, 'composed', () => presenceDocument(presentity, turn, context).bytes)
  const isWhole = seesEverything(permissions)
  if (isWhole && triggers === 'all') return new EverybodysView(composed)
  const document: Pidf = once(shared, 'parts', () => parsePidf(composed(), composedLimits))
  const shown = isWhole ? composed() : filterPresence(document, permissions)
  if (triggers === 'all') return view(digest(textOf(shown), turn), shown)
  return view(digest(triggerText(document, permissions, triggers), turn), shown)
}

class EverybodysView implements View {
  readonly version = COMPOSED
  readonly #document: () => Uint8Array
  #body: NotifyBody | undefined

  constructor(document: () => Uint8Array) {
    this.#document = document
  }

  get body(): NotifyBody {
    this.#body ??= { contentType: pidfContentType, body: this.#document() }
    return this.#body
  }
}

function view(version: number, body: Uint8Array): View {
  return { version, body: { contentType: pidfContentType, body } }
}

/** A number that is another for another text, and none of the constants. */
function digest(text: string, turn: Turn): number {
  return Number.parseInt(turn.fingerprint('view', text).slice(1, 13), 16) + UNAVAILABLE + 1
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
