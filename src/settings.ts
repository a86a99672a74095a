/**
 * Every setting of the box, one row each: its dotted name, where it stands in the management tree (OMA DM, TND §6), its
 * format, unit, default and meaning. The tree in the store is what is kept, so that the DM client, the command line and
 * factory defaults write the same nodes; everything else reads the typed `Settings`.
 */

import { type Transaction, table } from './turn.ts'

/** What happens to a watcher whom no rule mentions (RFC 5025 §3.2.1, where `polite-block` is a feigned absence). */
export type Handling = 'allow' | 'polite-block' | 'confirm' | 'block'

export interface Settings {
  readonly domain: string
  readonly sip: {
    readonly udp: string
    readonly tcp: string
    readonly tls: string
    readonly advertisedHost: string
  }
  readonly http: { readonly listen: string }
  readonly https: { readonly listen: string }
  readonly xcap: {
    readonly root: string
    readonly operators: string
    readonly defaultDocuments: boolean
    readonly routes: string
  }
  readonly xdms: {
    readonly listen: string
    readonly listenTls: string
    readonly trusted: string
    readonly trustedNames: string
  }
  /** Presence Server to Shared XDMS and Presence XDMS. */
  readonly prs5: XdmPoint
  readonly prs8: XdmPoint
  /** Resource List Server to Shared XDMS and RLS XDMS. */
  readonly prs9: XdmPoint
  readonly prs10: XdmPoint
  readonly xdm: { readonly pollSeconds: number; readonly keepSeconds: number }
  /** Aggregation Proxy to Presence XDMS, RLS XDMS and Shared XDMS. */
  readonly prs7: RemoteXdms
  readonly prs12: RemoteXdms
  readonly xdm4: RemoteXdms
  readonly content: {
    readonly root: string
    readonly types: string
    readonly objectOctets: number
    readonly userOctets: number
    readonly graceSeconds: number
    readonly indirectFromOctets: number
  }
  readonly tls: { readonly certificate: string; readonly key: string; readonly authorities: string }
  readonly auth: {
    readonly required: boolean
    readonly realm: string
    readonly algorithms: string
    readonly nonceSeconds: number
  }
  readonly registrar: {
    readonly defaultSeconds: number
    readonly minSeconds: number
    readonly maxSeconds: number
    readonly pathMustBeSupported: boolean
  }
  readonly presence: {
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
  readonly sigcomp: {
    readonly enabled: boolean
    readonly decompressionMemory: number
    readonly stateMemory: number
    readonly cyclesPerBit: number
    readonly compartments: number
  }
  readonly lists: {
    readonly requestUser: string
    readonly openTo: 'owner' | 'everybody'
    readonly membersMax: number
  }
  readonly log: { readonly level: 'error' | 'warning' | 'notice' | 'info' | 'debug' }
}

/** Where the documents of one reference point are: here when `root` is empty. */
export interface RemoteXdms {
  readonly root: string
  readonly username: string
  readonly password: string
}

/** The same for those who read documents by themselves, and learn of changes. */
export interface XdmPoint extends RemoteXdms {
  readonly notifier: string
}

type Leaf = string | number | boolean

/** `a.b` for every leaf of `T`. */
type NamesOf<T> = { [K in keyof T & string]: T[K] extends Leaf ? K : `${K}.${NamesOf<T[K]>}` }[keyof T & string]

type ValueAt<T, Name extends string> = Name extends `${infer First}.${infer Rest}`
  ? First extends keyof T
    ? ValueAt<T[First], Rest>
    : never
  : Name extends keyof T
    ? T[Name]
    : never

export type SettingName = NamesOf<Settings>

/** Formats of the management tree (TND §7.7.3) that settings use. */
export type NodeFormat = 'chr' | 'int' | 'bool'

interface Row<V extends Leaf> {
  /** Segments below the root of the management tree. */
  readonly path: readonly string[]
  readonly format: V extends string ? 'chr' : V extends number ? 'int' : 'bool'
  readonly unit?: string
  readonly default: V
  readonly meaning: string
  /** What is allowed, as a person reads it. */
  readonly allowed: string
  readonly isAllowed?: (value: V) => boolean
  /** When a change is felt. */
  readonly effect: 'at once' | 'at the next start'
  /** Whether nobody is shown what it is. */
  readonly isSecret?: boolean
}

const seconds = { format: 'int', unit: 's', effect: 'at once' } as const

const listening = {
  format: 'chr',
  allowed:
    'ADDRESS:PORT, several separated by commas, or empty; [ADDRESS]:PORT for IPv6; port 0 lets the system choose',
  isAllowed: (text: string): boolean => listeningAddresses(text) !== undefined,
  effect: 'at the next start',
} as const

/** The settings of a reference point whose other end may be elsewhere (RP-33). */
function remoteXdms<P extends string>(point: P, which: string) {
  const node = point.toUpperCase()
  const credential = { format: 'chr', default: '', effect: 'at once' } as const
  const rows = {
    root: {
      path: ['Vendor', 'Porchlight', node, 'Root'],
      format: 'chr',
      default: '',
      meaning: `XCAP root of ${which}; empty: the one of this box`,
      allowed: 'an http or https URI without a slash at its end, or empty',
      isAllowed: (text: string): boolean => text === '' || isXcapRoot(text),
      effect: 'at once',
    },
    username: {
      ...credential,
      path: ['Vendor', 'Porchlight', node, 'Username'],
      meaning: `user name for digest challenges at ${point}.root; empty: it is enough who we are`,
      allowed: 'text without control characters, or empty',
      isAllowed: (text: string): boolean => !/[\x00-\x1f\x7f]/.test(text),
    },
    password: {
      ...credential,
      path: ['Vendor', 'Porchlight', node, 'Password'],
      meaning: `password for digest challenges at ${point}.root`,
      allowed: 'text, or empty',
      isSecret: true,
    },
  } as const
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [`${point}.${name}`, row])) as {
    [Name in keyof typeof rows as `${P}.${Name}`]: (typeof rows)[Name]
  }
}

const sigcompMemory = {
  format: 'int',
  unit: 'octets',
  allowed: '8192, 16384, 32768, 65536 or 131072',
  isAllowed: (octets: number): boolean => isPowerOf2(octets, 8192, 131_072),
  effect: 'at the next start',
} as const

function isPowerOf2(value: number, least: number, most: number): boolean {
  return value >= least && value <= most && Number.isInteger(Math.log2(value))
}

function notifierOf(point: string) {
  return {
    path: ['Vendor', 'Porchlight', point.toUpperCase(), 'Notifier'],
    format: 'chr',
    default: '',
    meaning: `where subscriptions to changes of documents at ${point}.root are sent (xcap-diff); empty: it is asked now and then`,
    allowed: 'a sip or sips URI, or empty',
    isAllowed: (text: string): boolean => text === '' || /^sips?:[\w.+%~-]*@?[\w.:[\]-]+(?:;[\w=.-]+)*$/.test(text),
    effect: 'at once',
  } as const
}

/** A row missing here, or of another type than in `Settings`, does not compile. */
const rows: { readonly [Name in SettingName]: Row<ValueAt<Settings, Name>> } = {
  domain: {
    path: ['Vendor', 'Porchlight', 'Domain', 'Name'],
    format: 'chr',
    default: 'box.example',
    meaning: 'the SIP domain whose users live here',
    allowed: 'a domain name in lower case',
    isAllowed: isDomainName,
    effect: 'at the next start',
  },
  'sip.udp': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Sip', 'Udp'],
    default: '0.0.0.0:5060',
    meaning: 'where SIP over UDP listens',
  },
  'sip.tcp': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Sip', 'Tcp'],
    default: '0.0.0.0:5060',
    meaning: 'where SIP over TCP listens',
  },
  'sip.tls': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Sip', 'Tls'],
    default: '0.0.0.0:5061',
    meaning: 'where SIP over TLS listens',
  },
  'sip.advertisedHost': {
    path: ['Vendor', 'Porchlight', 'Sip', 'AdvertisedHost'],
    format: 'chr',
    default: '',
    meaning: 'host that peers are told to reach this box by (Via, Contact, Record-Route); empty: the listening address',
    allowed: 'a host name or IP address, or empty',
    isAllowed: text => text === '' || isHost(text),
    effect: 'at the next start',
  },
  'http.listen': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Http', 'Listen'],
    default: '127.0.0.1:8080',
    meaning: 'where XCAP over HTTP without TLS listens; by default for this machine alone',
  },
  'https.listen': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Https', 'Listen'],
    default: '0.0.0.0:8443',
    meaning: 'where XCAP over HTTPS listens',
  },
  'xcap.root': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Root'],
    format: 'chr',
    default: '/xcap-root',
    meaning: 'path of the XCAP root: documents are below it',
    allowed: 'a path such as /xcap-root, without a slash at its end; empty for the top',
    isAllowed: text => /^(?:\/[\w.-]+)*$/.test(text),
    effect: 'at once',
  },
  'xcap.operators': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Operators'],
    format: 'chr',
    default: '',
    meaning: 'users who read and write the documents of all users, and the global ones',
    allowed: 'addresses of users separated by commas, or empty',
    effect: 'at once',
  },
  'xcap.defaultDocuments': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'DefaultDocuments'],
    format: 'bool',
    default: true,
    meaning: 'whether a user who is added gets documents out of the templates, such as presence rules',
    allowed: 'true or false',
    effect: 'at once',
  },
  'xcap.routes': {
    path: ['Vendor', 'Porchlight', 'Xcap', 'Routes'],
    format: 'chr',
    default: '',
    meaning:
      'application usages whose documents are elsewhere, each with its XCAP root, before what prs7, prs12 and xdm4 say',
    allowed: 'AUID=URI, several separated by commas, or empty; AUID= for one whose documents are here',
    isAllowed: text => usageRoutes(text) !== undefined,
    effect: 'at once',
  },
  'xdms.listen': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Xdms', 'Listen'],
    default: '',
    meaning: 'where the XDMSs of this box are reached by an Aggregation Proxy elsewhere, over HTTP',
  },
  'xdms.listenTls': {
    ...listening,
    path: ['Vendor', 'Porchlight', 'Xdms', 'ListenTls'],
    default: '',
    meaning: 'the same over HTTPS, where the proxy shows a certificate',
  },
  'xdms.trusted': {
    path: ['Vendor', 'Porchlight', 'Xdms', 'Trusted'],
    format: 'chr',
    default: '',
    meaning:
      'addresses of Aggregation Proxies whose X-3GPP-Asserted-Identity and X-XCAP-Asserted-Identity are believed',
    allowed: 'addresses or ADDRESS/LENGTH, separated by commas, or empty',
    isAllowed: text => text === '' || text.split(',').every(part => isAddressRange(part.trim())),
    effect: 'at once',
  },
  'xdms.trustedNames': {
    path: ['Vendor', 'Porchlight', 'Xdms', 'TrustedNames'],
    format: 'chr',
    default: '',
    meaning: 'host names of such proxies, proved by certificates that tls.authorities or the public ones have signed',
    allowed: 'host names separated by commas, or empty',
    isAllowed: text => text === '' || text.split(',').every(part => isDomainName(part.trim().toLowerCase())),
    effect: 'at once',
  },
  ...remoteXdms('prs5', 'the Shared XDMS that the Presence Server reads lists in'),
  'prs5.notifier': notifierOf('prs5'),
  ...remoteXdms('prs8', 'the Presence XDMS that the Presence Server reads rules and permanent presence in'),
  'prs8.notifier': notifierOf('prs8'),
  ...remoteXdms('prs9', 'the Shared XDMS that the Resource List Server reads lists in'),
  'prs9.notifier': notifierOf('prs9'),
  ...remoteXdms('prs10', 'the RLS XDMS that the Resource List Server reads list services in'),
  'prs10.notifier': notifierOf('prs10'),
  'xdm.pollSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Xdm', 'PollInterval'],
    default: 300,
    meaning: 'how often documents elsewhere are asked for again while their changes are not notified',
    ...wholeNumber(10, 86_400),
  },
  'xdm.keepSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Xdm', 'KeepTime'],
    default: 3600,
    meaning: 'how long documents elsewhere count while it cannot be found out whether they have changed',
    ...wholeNumber(0, 2_147_483),
  },
  ...remoteXdms('prs7', 'the Presence XDMS that the Aggregation Proxy sends clients to'),
  ...remoteXdms('prs12', 'the RLS XDMS that the Aggregation Proxy sends clients to'),
  ...remoteXdms('xdm4', 'the Shared XDMS that the Aggregation Proxy sends clients to'),
  'content.root': {
    path: ['Vendor', 'Porchlight', 'Content', 'Root'],
    format: 'chr',
    default: '/content',
    meaning: 'path of the Content Server: objects are below it',
    allowed: 'a path such as /content, without a slash at its end',
    isAllowed: text => /^(?:\/[\w.-]+)+$/.test(text),
    effect: 'at once',
  },
  'content.types': {
    path: ['Vendor', 'Porchlight', 'Content', 'Types'],
    format: 'chr',
    default: 'image/png,image/jpeg,image/gif,image/webp,audio/amr,audio/ogg,audio/wav,audio/mpeg,text/vcard,text/plain',
    meaning: 'media types of objects that the Content Server takes',
    allowed: 'media types separated by commas',
    isAllowed: text => text.split(',').every(type => /^[a-z]+\/[a-z0-9.+-]+$/.test(type)),
    effect: 'at once',
  },
  'content.objectOctets': {
    path: ['Vendor', 'Porchlight', 'Content', 'ObjectSize'],
    format: 'int',
    unit: 'octets',
    default: 204_800,
    meaning: 'largest object of the Content Server, and of those that a publication brings along; 0: none are taken',
    ...wholeNumber(0, 393_216),
    effect: 'at once',
  },
  'content.userOctets': {
    path: ['Vendor', 'Porchlight', 'Content', 'UserSize'],
    format: 'int',
    unit: 'octets',
    default: 1_048_576,
    meaning: 'octets of all objects of one user; an object beyond is refused',
    ...wholeNumber(0, 1_073_741_824),
    effect: 'at once',
  },
  'content.graceSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Content', 'Grace'],
    default: 3600,
    meaning: 'how long an object stays that no presence document of its owner refers to',
    ...wholeNumber(60, 2_147_483),
  },
  'content.indirectFromOctets': {
    path: ['Vendor', 'Porchlight', 'Content', 'IndirectFrom'],
    format: 'int',
    unit: 'octets',
    default: 16_384,
    meaning:
      'presence documents from this size on are fetched by watchers who take message/external-body, instead of sent; 0: all are sent',
    ...wholeNumber(0, 1_048_576),
    effect: 'at once',
  },
  'tls.certificate': {
    path: ['Vendor', 'Porchlight', 'Tls', 'Certificate'],
    format: 'chr',
    default: '',
    meaning: 'file of the certificate chain (PEM); empty: the box signs its own for the domain',
    allowed: 'a file name, or empty',
    effect: 'at once',
  },
  'tls.key': {
    path: ['Vendor', 'Porchlight', 'Tls', 'Key'],
    format: 'chr',
    default: '',
    meaning: 'file of the private key of tls.certificate (PEM)',
    allowed: 'a file name, or empty',
    effect: 'at once',
  },
  'tls.authorities': {
    path: ['Vendor', 'Porchlight', 'Tls', 'Authorities'],
    format: 'chr',
    default: '',
    meaning: 'file of certificates (PEM) trusted beside the public authorities when the box connects to others',
    allowed: 'a file name, or empty',
    effect: 'at once',
  },
  'auth.required': {
    path: ['Vendor', 'Porchlight', 'Auth', 'Required'],
    format: 'bool',
    default: true,
    meaning: 'whether users prove who they are; false is for laboratories: identity is whatever From says',
    allowed: 'true or false',
    effect: 'at once',
  },
  'auth.realm': {
    path: ['Vendor', 'Porchlight', 'Auth', 'Realm'],
    format: 'chr',
    default: '',
    meaning:
      'realm of digest challenges; empty: the domain. Passwords are kept as digests of it: set them anew after a change',
    allowed: 'text without quotes and control characters, or empty',
    isAllowed: text => /^[^"\\\x00-\x1f\x7f]*$/.test(text),
    effect: 'at the next start',
  },
  'auth.algorithms': {
    path: ['Vendor', 'Porchlight', 'Auth', 'Algorithms'],
    format: 'chr',
    default: 'SHA-256,SHA-512-256,MD5',
    meaning: 'digest algorithms accepted, preferred first; without MD5, clients that know no other stay outside',
    allowed: 'SHA-256, SHA-512-256 and MD5, separated by commas',
    isAllowed: text => isListOf(text, ['SHA-256', 'SHA-512-256', 'MD5']),
    effect: 'at once',
  },
  'auth.nonceSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Auth', 'NonceLifetime'],
    default: 300,
    meaning: 'how long a nonce may be used before it is stale',
    ...wholeNumber(10, 86_400),
  },
  'registrar.defaultSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Registrar', 'DefaultExpires'],
    default: 3600,
    meaning: 'lifetime of a registration that asks for none',
    ...wholeNumber(1, 2_147_483),
  },
  'registrar.minSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Registrar', 'MinExpires'],
    default: 60,
    meaning: 'shortest lifetime of a registration; a shorter one is refused with 423',
    ...wholeNumber(0, 3600),
  },
  'registrar.maxSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Registrar', 'MaxExpires'],
    default: 86_400,
    meaning: 'longest lifetime granted to a registration',
    ...wholeNumber(1, 2_147_483),
  },
  'registrar.pathMustBeSupported': {
    path: ['Vendor', 'Porchlight', 'Registrar', 'PathMustBeSupported'],
    format: 'bool',
    default: true,
    meaning: 'whether a registration with a Path is refused with 420 when its client does not support path',
    allowed: 'true or false',
    effect: 'at once',
  },
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
  'sigcomp.enabled': {
    path: ['Vendor', 'Porchlight', 'SigComp', 'Enabled'],
    format: 'bool',
    default: true,
    meaning: 'whether SIP is compressed with those who ask for it (SigComp)',
    allowed: 'true or false',
    effect: 'at the next start',
  },
  'sigcomp.decompressionMemory': {
    ...sigcompMemory,
    path: ['Vendor', 'Porchlight', 'SigComp', 'DecompressionMemory'],
    default: 8192,
    meaning: 'decompression memory that handsets are offered',
  },
  'sigcomp.stateMemory': {
    ...sigcompMemory,
    path: ['Vendor', 'Porchlight', 'SigComp', 'StateMemory'],
    default: 8192,
    meaning: 'memory kept for each handset that compresses, which makes its next messages shorter',
    allowed: '2048, 4096, 8192, 16384, 32768, 65536 or 131072',
    isAllowed: octets => isPowerOf2(octets, 2048, 131_072),
  },
  'sigcomp.cyclesPerBit': {
    path: ['Vendor', 'Porchlight', 'SigComp', 'CyclesPerBit'],
    format: 'int',
    default: 16,
    meaning: 'how much work one bit of a compressed message may cause',
    allowed: '16, 32, 64 or 128',
    isAllowed: cycles => isPowerOf2(cycles, 16, 128),
    effect: 'at the next start',
  },
  'sigcomp.compartments': {
    path: ['Vendor', 'Porchlight', 'SigComp', 'Compartments'],
    format: 'int',
    default: 1000,
    meaning: 'handsets that state memory is kept for; the one not heard of for longest gives way to another',
    allowed: 'a number from 1 to 100000',
    isAllowed: count => count >= 1 && count <= 100_000,
    effect: 'at the next start',
  },
  'lists.requestUser': {
    path: ['Vendor', 'Porchlight', 'Lists', 'RequestUser'],
    format: 'chr',
    default: 'rls',
    meaning: 'the user part of the address that takes lists with the subscription (RFC 5367)',
    allowed: 'letters, digits and -._+',
    isAllowed: text => /^[\w.+-]{1,64}$/.test(text),
    effect: 'at once',
  },
  'lists.openTo': {
    path: ['Vendor', 'Porchlight', 'Lists', 'OpenTo'],
    default: 'owner',
    meaning: 'who may subscribe to a list',
    ...oneOf('owner', 'everybody'),
    effect: 'at once',
  },
  'lists.membersMax': {
    path: ['Vendor', 'Porchlight', 'Lists', 'MembersMax'],
    format: 'int',
    default: 500,
    meaning: 'members of one list that are served; a subscription to a longer one is refused with 403',
    effect: 'at once',
    ...wholeNumber(1, 2_000),
  },
  'log.level': {
    path: ['Vendor', 'Porchlight', 'Log', 'Level'],
    default: 'notice',
    meaning: 'least important kind of line that is logged',
    ...oneOf('error', 'warning', 'notice', 'info', 'debug'),
    effect: 'at once',
  },
}

/** Pairs of which the first must not exceed the second. */
const ascending: readonly (readonly [SettingName, SettingName])[] = [
  ['registrar.minSeconds', 'registrar.defaultSeconds'],
  ['registrar.defaultSeconds', 'registrar.maxSeconds'],
  ['presence.publicationMinSeconds', 'presence.publicationDefaultSeconds'],
  ['presence.publicationDefaultSeconds', 'presence.publicationMaxSeconds'],
  ['presence.subscriptionMinSeconds', 'presence.subscriptionDefaultSeconds'],
  ['presence.subscriptionDefaultSeconds', 'presence.subscriptionMaxSeconds'],
]

/** One node of the management tree as kept in the store; a later DM client adds its properties (ACL, TStamp, VerNo) here. */
export interface ManagementNode {
  readonly format: NodeFormat
  readonly value: Leaf
}

/** Key: the path's segments below the root `.`; only nodes that somebody has set. */
export const managementTree = table<ManagementNode>('management-tree', 'hard')

/** A setting that does not exist or a value it cannot have; the message is one line for the person who wrote it. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}

/** Values that hold for one run of the box, by dotted name: what `serve --set` gives. */
export type Overrides = ReadonlyMap<SettingName, Leaf>

/**
 * The settings in force: defaults, then the management tree, then `overrides`. Settings that change at the next start keep
 * their value of `running`. Throws SettingError when values contradict each other or a stored one is of another format.
 */
export function readSettings(db: Transaction, overrides: Overrides = new Map(), running?: Settings): Settings {
  const settings: Record<string, unknown> = {}
  for (const name of settingNames) {
    const row = rowOf(name)
    const kept = running !== undefined && row.effect === 'at the next start'
    place(
      settings,
      name,
      kept ? settingOf(running, name) : (overrides.get(name) ?? storedValue(db, name) ?? row.default),
    )
  }
  const result = settings as unknown as Settings
  for (const [lower, upper] of ascending) {
    const [a, b] = [settingOf(result, lower), settingOf(result, upper)]
    if (a > b) throw new SettingError(`${lower} (${a}) must not be above ${upper} (${b})`)
  }
  return result
}

/** The defaults alone, with `values` in place of some: what tests and simulations start from. */
export function defaultSettings(values: Partial<Record<SettingName, Leaf>> = {}): Settings {
  const settings: Record<string, unknown> = {}
  for (const name of settingNames) place(settings, name, values[name] ?? rowOf(name).default)
  return settings as unknown as Settings
}

/**
 * Writes one setting to the management tree; an empty `text` of a setting that may not be empty is an error like any other.
 * Throws SettingError; contradictions show in `readSettings`, which the same transaction should call.
 */
export function putSetting(db: Transaction, name: SettingName, text: string): void {
  const { path, format } = rowOf(name)
  db.put(managementTree, path, { format, value: parseSetting(name, text) })
}

/** What `settings list` shows of one setting. */
export interface SettingListing {
  readonly name: SettingName
  readonly value: Leaf
  readonly default: Leaf
  readonly unit?: string
  readonly format: NodeFormat
  readonly node: string
  readonly meaning: string
  readonly allowed: string
  readonly effect: Row<Leaf>['effect']
  readonly from: 'default' | 'stored' | 'command line'
  /** Present when a stored value waits for the next start. */
  readonly next?: Leaf
}

/** Every setting with its value in force, in the order of the table. */
export function listSettings(db: Transaction, inForce: Settings, overrides: Overrides = new Map()): SettingListing[] {
  return settingNames.map(name => {
    const row = rowOf(name)
    const stored = storedValue(db, name)
    const value = settingOf(inForce, name)
    const next = overrides.get(name) ?? stored ?? row.default
    return {
      name,
      value: shown(row, value),
      default: row.default,
      ...(row.unit === undefined ? {} : { unit: row.unit }),
      format: row.format,
      node: `./${row.path.join('/')}`,
      meaning: row.meaning,
      allowed: row.allowed,
      effect: row.effect,
      from: overrides.has(name) ? 'command line' : stored === undefined ? 'default' : 'stored',
      ...(next === value ? {} : { next: shown(row, next) }),
    }
  })
}

function shown({ isSecret }: Row<Leaf>, value: Leaf): Leaf {
  return isSecret === true && value !== '' ? '********' : value
}

/** The value that `text` means for setting `name`. Throws SettingError. */
export function parseSetting(name: SettingName, text: string): Leaf {
  const row = rowOf(name)
  const value = parseLeaf(row.format, text)
  if (value === undefined || row.isAllowed?.(value) === false)
    throw new SettingError(`${name} cannot be '${text}': it is ${row.allowed}`)
  return value
}

/** `text` if a setting is called so; throws SettingError, naming the closest one. */
export function settingName(text: string): SettingName {
  if (Object.hasOwn(rows, text)) return text as SettingName
  const close = settingNames.find(name => name.toLowerCase().includes(text.toLowerCase()) && text !== '')
  throw new SettingError(`no setting is called '${text}'${close ? `; perhaps ${close}` : ''}: see 'settings list'`)
}

/** When a change of this setting is felt. */
export function effectOf(name: SettingName): Row<Leaf>['effect'] {
  return rowOf(name).effect
}

export interface ListeningAddress {
  readonly address: string
  readonly port: number
}

/** Reads `ADDRESS:PORT`, several separated by commas; IPv6 addresses in brackets, which are taken off. Undefined if malformed. */
export function listeningAddresses(text: string): ListeningAddress[] | undefined {
  const found: ListeningAddress[] = []
  for (const part of text.split(',').map(part => part.trim())) {
    if (part === '') continue
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(part)
    if (match === null) return undefined
    const [, v6, v4, port] = match
    if (v6 === undefined ? !isIPv4(v4!) : !isIPv6(v6)) return undefined
    if (Number(port) > 65_535) return undefined
    found.push({ address: v6 ?? v4!, port: Number(port) })
  }
  return found
}

/** Reads `AUID=URI`, several separated by commas; the URI is empty for what is here. Undefined if malformed. */
export function usageRoutes(text: string): ReadonlyMap<string, string> | undefined {
  const routes = new Map<string, string>()
  for (const part of text === '' ? [] : text.split(',')) {
    const [, auid, root] = /^\s*([\w.-]+)=(\S*)\s*$/.exec(part) ?? []
    if (auid === undefined || routes.has(auid) || (root !== '' && !isXcapRoot(root!))) return undefined
    routes.set(auid, root!)
  }
  return routes
}

export const settingNames = Object.keys(rows) as readonly SettingName[]

function rowOf(name: SettingName): Row<Leaf> {
  return rows[name] as unknown as Row<Leaf>
}

/** Undefined when nobody has set it. A value that has become impossible is refused rather than replaced in silence. */
function storedValue(db: Transaction, name: SettingName): Leaf | undefined {
  const row = rowOf(name)
  const node = db.get(managementTree, row.path)
  if (node === undefined) return undefined
  if (node.format !== row.format || row.isAllowed?.(node.value) === false)
    throw new SettingError(`the stored value of ${name}, '${node.value}', is impossible: it is ${row.allowed}`)
  return node.value
}

/** The value of `name` in `settings`. */
export function settingOf(settings: Settings, name: SettingName): Leaf {
  let value: unknown = settings
  for (const part of name.split('.')) value = (value as Record<string, unknown>)[part]
  return value as Leaf
}

function place(settings: Record<string, unknown>, name: SettingName, value: Leaf): void {
  const parts = name.split('.')
  const last = parts.pop()!
  let group = settings
  for (const part of parts) {
    const inner = group[part] ?? {}
    group[part] = inner
    group = inner as Record<string, unknown>
  }
  group[last] = value
}

function parseLeaf(format: NodeFormat, text: string): Leaf | undefined {
  switch (format) {
    case 'chr':
      return text
    case 'int':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : undefined
  }
}

function wholeNumber(least: number, most: number) {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    isAllowed: (value: number): boolean => value >= least && value <= most,
  }
}

function oneOf<const V extends string>(...values: readonly V[]) {
  return {
    format: 'chr',
    allowed: `one of ${values.join(', ')}`,
    isAllowed: (value: V): boolean => values.includes(value),
  } as const
}

/** One or more of `words`, none twice, separated by commas. */
function isListOf(text: string, words: readonly string[]): boolean {
  const listed = text.split(',')
  return new Set(listed).size === listed.length && listed.every(word => words.includes(word))
}

/** One address, or a prefix with its length. */
function isAddressRange(text: string): boolean {
  const [, address = '', length = '0'] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  return isIPv4(address) ? Number(length) <= 32 : isIPv6(address) && Number(length) <= 128
}

function isXcapRoot(text: string): boolean {
  return /^https?:\/\/[^\s/?#,"]+(?:\/[^\s?#,"]*[^\s/?#,"])?$/.test(text) && URL.canParse(text)
}

function isDomainName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(text)
}

function isHost(text: string): boolean {
  return isDomainName(text.toLowerCase()) || isIPv6(text)
}

function isIPv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split('.').every(part => Number(part) <= 255)
}

function isIPv6(text: string): boolean {
  return /^[0-9A-Fa-f:.]+(%[\w.-]+)?$/.test(text) && URL.canParse(`http://[${text.replace(/%.*/, '')}]`)
}
