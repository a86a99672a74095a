/**
 * What the figures are held against: the bar of each measurement for the durable box (one process, UDP, default
 * composition, no throttle) and what Kamailio 5.6 was measured at on the reference machine.
 */

export type Bar = {
  readonly unit: 'µs' | 'MiB' | 's' | 'lost'
  /** The figure passes when it is not above this. */
  readonly atMost: number
  readonly what: string
}

/** By the name of the figure, as the scenarios report it. */
export const bars: Readonly<Record<string, Bar>> = {
  'publish-modify': { unit: 'µs', atMost: 60, what: 'PUBLISH, modify' },
  subscribe: { unit: 'µs', atMost: 120, what: 'SUBSCRIBE + NOTIFY, new' },
  'subscribe-refresh': { unit: 'µs', atMost: 120, what: 'SUBSCRIBE + NOTIFY, refresh' },
  'fan-out': { unit: 'µs', atMost: 40, what: 'NOTIFY in a fan-out' },
  'idle-rss': { unit: 'MiB', atMost: 90, what: 'RSS when idle' },
  'stored-pss': { unit: 'MiB', atMost: 160, what: 'PSS at rest with everything stored' },
  'restart-seconds': { unit: 's', atMost: 2, what: 'kill -9 until serving again' },
  'restart-lost': { unit: 'lost', atMost: 0, what: 'publications and subscriptions lost' },
}

/** Server CPU in µs per operation on the reference machine, one worker. */
export const kamailioReference: Readonly<Record<string, { readonly memory: number; readonly durable: number }>> = {
  'publish-modify': { memory: 25, durable: 199 },
  subscribe: { memory: 62, durable: 405 },
  'fan-out': { memory: 33, durable: 135 },
}
