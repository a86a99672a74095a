/** Lists of the Resource List Server. */

import { oneOf, type RowsOf, wholeNumber } from './row.ts'

export interface ListsSettings {
  readonly requestUser: string
  readonly openTo: 'owner' | 'everybody'
  readonly membersMax: number
}

export const listsRows: RowsOf<'lists', ListsSettings> = {
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
    meaning:
      'members of a list that one subscription shows, those of lists within it included; a longer one is refused',
    effect: 'at once',
    ...wholeNumber(1, 2_000),
  },
}
