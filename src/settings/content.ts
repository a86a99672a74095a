/** The Content Server: what it takes, and for how long. */

import { remoteServer, type ServerListener, serverListener } from './other-servers.ts'
import { type RowsOf, seconds, wholeNumber } from './row.ts'

export interface ContentSettings extends ServerListener {
  readonly root: string
  readonly types: string
  readonly objectOctets: number
  readonly userOctets: number
  readonly graceSeconds: number
  readonly indirectFromOctets: number
  readonly keepSeconds: number
}

export const contentRows: RowsOf<'content', ContentSettings> = {
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
    default:
      'image/png,image/jpeg,image/gif,image/webp,audio/amr,audio/ogg,audio/wav,audio/mpeg,text/vcard,text/plain,application/pidf+xml,application/pidf-diff+xml',
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
    meaning:
      'largest object of the Content Server, and of those that a publication brings along, as far as one SIP message of 65,536 octets holds them; 0: none are taken',
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
  ...serverListener('content', 'Content', 'the Content Server', 'Presence Servers'),
  'content.keepSeconds': {
    ...seconds,
    path: ['Vendor', 'Porchlight', 'Content', 'KeepTime'],
    default: 86_400,
    meaning: 'how long an object stays that a Presence Server elsewhere has stored and does not ask for any more',
    ...wholeNumber(60, 2_147_483),
  },
}

/** Where the objects of our users are, when not in this box. */
export const storeRows = remoteServer(
  'prs15',
  'URI of a Content Server elsewhere, below which this box stores and reads the objects of its users',
)
