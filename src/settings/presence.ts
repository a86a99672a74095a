/** Publications, subscriptions and notifications of presence. */

import { oneOf, type RowsOf, seconds, wholeNumber } from './row.ts'

/** What happens to a watcher whom no rule mentions (RFC 5025 §3.2.1, where `polite-block` is a feigned absence). */
export type Handling = 'allow' | 'polite-block' | 'confirm' | 'block'

export interface PresenceSettings {
  readonly defaultHandling: Handling
  readonly minNotifyIntervalSeconds: number
  readonly minPublishIntervalSeconds: number
  readonly publicationDefaultSeconds: number
  readonly publicationMinSeconds: number
  readonly publicationMaxSeconds: number
  readonly replaceSameSource: boolean
  readonly softOverridesHard: boolean
  readonly subscriptionDefaultSeconds: number
  readonly subscriptionMinSeconds: number
  readonly subscriptionMaxSeconds: number
}

export const presenceRows: RowsOf<'presence', PresenceSettings> = {
  'presence.defaultHandling': {
    path: ['Vendor', 'Porchlight', 'Presence', 'DefaultHandling'],
    default: 'block',
    meaning: 'what happens to a watcher of a user who has no presence rules at all',
    ...oneOf('allow', 'polite-block', 'confirm', 'block'),
    effect: 'at once',
  },
  'presence.minNotifyIntervalSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'MinNotifyInterval'],
    default: 5,
    meaning: 'shortest time between two presence notifications of one subscription; 0: no limit',
    ...wholeNumber(0, 3600),
  },
  'presence.minPublishIntervalSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'MinPublishInterval'],
    default: 0,
    meaning:
      'shortest time between two documents of one source; a sooner one is answered 503 with Retry-After; 0: no limit',
    ...wholeNumber(0, 3600),
  },
  'presence.publicationDefaultSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'PublicationDefaultExpires'],
    default: 3600,
    meaning: 'lifetime of a publication that asks for none',
    ...wholeNumber(1, 2_147_483),
  },
  'presence.publicationMinSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'PublicationMinExpires'],
    default: 60,
    meaning: 'shortest lifetime of a publication; a shorter one is refused with 423',
    ...wholeNumber(0, 3600),
  },
  'presence.publicationMaxSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'PublicationMaxExpires'],
    default: 86_400,
    meaning: 'longest lifetime granted to a publication',
    ...wholeNumber(1, 2_147_483),
  },
  'presence.replaceSameSource': {
    path: ['Vendor', 'Porchlight', 'Presence', 'ReplaceSameSource'],
    format: 'bool',
    default: false,
    meaning: 'whether a new publication replaces those of the same presentity that have a tuple id in common with it',
    allowed: 'true or false',
    effect: 'at once',
  },
  'presence.softOverridesHard': {
    path: ['Vendor', 'Porchlight', 'Presence', 'SoftOverridesHard'],
    format: 'bool',
    default: false,
    meaning:
      'whether what is published goes before permanent presence of the same service, person or device, not beside it',
    allowed: 'true or false',
    effect: 'at once',
  },
  'presence.subscriptionDefaultSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'SubscriptionDefaultExpires'],
    default: 3600,
    meaning: 'lifetime of a subscription that asks for none',
    ...wholeNumber(1, 2_147_483),
  },
  'presence.subscriptionMinSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'SubscriptionMinExpires'],
    default: 60,
    meaning: 'shortest lifetime of a subscription; a shorter one is refused with 423',
    ...wholeNumber(0, 3600),
  },
  'presence.subscriptionMaxSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Presence', 'SubscriptionMaxExpires'],
    default: 86_400,
    meaning: 'longest lifetime granted to a subscription',
    ...wholeNumber(1, 2_147_483),
  },
}
