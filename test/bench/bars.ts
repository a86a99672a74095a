/**
 * What the figures are held against: the bar of each measurement for the durable box (one process, UDP, default
 * composition, no throttle) and what Kamailio 5.6 was measured at on the reference machine.
 */

export type Bar = {
  readonly unit: 'µs' | 'MiB' | 's' | 'lost' | '%'
  /** The figure passes when it is not above this. */
  readonly atMost: number
  /**
   * The same as a share of what durable Kamailio with one worker costs, where it is measured in the same run: then this alone
   * decides, since no two machines have the same microseconds.
   */
  readonly ofKamailio?: number
  /** The bar is not in microseconds, but a share of another figure of the same server. */
  readonly ofFigure?: string
  readonly what: string
}

/** By the name of the figure, as the scenarios report it. */
export const bars: Readonly<Record<string, Bar>> = {
  'publish-modify': { unit: 'µs', atMost: 60, what: 'PUBLISH, modify' },
  subscribe: { unit: 'µs', atMost: 120, what: 'SUBSCRIBE + NOTIFY, new' },
  'subscribe-refresh': { unit: 'µs', atMost: 120, what: 'SUBSCRIBE + NOTIFY, refresh' },
  'fan-out': { unit: 'µs', atMost: 40, what: 'NOTIFY in a fan-out' },
  'publish-1000-rules': {
    unit: 'µs',
    atMost: 1.3,
    ofFigure: 'publish-1000',
    what: 'PUBLISH to 1,000 watchers in 10 classes',
  },
  'xcap-get': { unit: 'µs', atMost: 60, ofKamailio: 0.71, what: 'GET, list of 20' },
  'xcap-get-304': { unit: 'µs', atMost: 40, ofKamailio: 0.91, what: 'GET, not modified' },
  'xcap-put': { unit: 'µs', atMost: 200, ofKamailio: 0.91, what: 'PUT, list of 20' },
  'xcap-put-element': { unit: 'µs', atMost: 250, ofKamailio: 0.89, what: 'PUT, entry of a list of 20' },
  'validation-mebibytes': { unit: 'MiB', atMost: 3, what: 'memory of checking documents against grammars' },
  'idle-rss': { unit: 'MiB', atMost: 90, what: 'RSS when idle' },
  'stored-pss': { unit: 'MiB', atMost: 160, what: 'PSS at rest with everything stored' },
  'restart-seconds': { unit: 's', atMost: 2, what: 'kill -9 until serving again' },
  'sigcomp-octets': { unit: '%', atMost: 22, what: 'SigComp: octets of a day, both directions' },
  'sigcomp-octets-stream': { unit: '%', atMost: 22, what: 'SigComp: the same on a connection' },
  'sigcomp-held-out': { unit: '%', atMost: 22, what: 'SigComp: a corpus nothing was tuned by' },
  'sigcomp-held-out-stream': { unit: '%', atMost: 22, what: 'SigComp: the same on a connection' },
  'sigcomp-with-box': { unit: '%', atMost: 22, what: 'SigComp: the same with a box that challenges' },
  'sigcomp-first': { unit: '%', atMost: 50, what: 'SigComp: the first message, with its bytecode' },
  'sigcomp-publish': { unit: '%', atMost: 12.5, what: 'SigComp: steady PUBLISH with answers' },
  'sigcomp-notify': { unit: '%', atMost: 12.5, what: 'SigComp: steady NOTIFY with answers' },
  'sigcomp-compress': { unit: 'µs', atMost: 100, what: 'SigComp: CPU to compress a message' },
  'sigcomp-decompress': { unit: 'µs', atMost: 100, what: 'SigComp: CPU to decompress a message' },
  'sigcomp-memory': { unit: 'MiB', atMost: 24, what: 'SigComp: memory of 1000 compartments' },
  'lists-pss': { unit: 'MiB', atMost: 512, what: 'PSS with 10,000 subscriptions to lists of 50' },
  'list-change': { unit: 'µs', atMost: 100, what: 'PUBLISH of one in a list of 500, but for its NOTIFY' },
  'list-flat-1000': { unit: '%', atMost: 125, what: 'the same in a list of 50 beside 1,000 other lists, of beside 10' },
  'list-flat-10000': { unit: '%', atMost: 125, what: 'beside 10,000 other lists' },
  'list-octets': {
    unit: '%',
    atMost: 20,
    what: 'octets of a day: partial, conditional list, of one with whole documents',
  },
  'list-octets-alone': { unit: '%', atMost: 20, what: 'the same, of whole documents of each buddy alone' },
  'list-octets-deflated': { unit: '%', atMost: 20, what: 'deflated besides, of a list with whole documents' },
  'restart-lost': { unit: 'lost', atMost: 0, what: 'publications and subscriptions lost' },
}

/** Server CPU in µs per operation on the reference machine, one worker; documents it keeps in a database alone. */
export const kamailioReference: Readonly<Record<string, { readonly memory?: number; readonly durable: number }>> = {
  'publish-modify': { memory: 25, durable: 199 },
  subscribe: { memory: 62, durable: 405 },
  'fan-out': { memory: 33, durable: 135 },
  'xcap-get': { durable: 85 },
  'xcap-get-304': { durable: 44 },
  'xcap-put': { durable: 219 },
  'xcap-put-element': { durable: 282 },
}
