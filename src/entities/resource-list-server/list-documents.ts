/**
 * What the Resource List Server reads of the XDMSs: services of the RLS XDMS (PRS-10) and lists of the Shared XDMS (PRS-9). One
 * small interface, so that they may be elsewhere.
 */

import type { RlsService } from '../../documents/rls-services.ts'
import type { Transaction, Turn } from '../../turn.ts'
import { type DocumentAddress, documentAt, type StoredDocument } from '../xdms/documents.ts'
import { placeOfService, serviceAt } from '../xdms/rls-xdms/rls-services.ts'

export interface ListDocuments {
  /** The document that has the service with this canonical URI; undefined when there is none. */
  placeOf(db: Transaction, uri: string): DocumentAddress | undefined
  /** That service as it stands there. */
  service(place: DocumentAddress, uri: string, turn: Turn): RlsService | undefined
  document(address: DocumentAddress, turn: Turn): StoredDocument | undefined
  /** The user that an XUI means; undefined when it means none. */
  userOfXui(xui: string): string | undefined
}

/** The documents of this box. */
export function ownListDocuments(userOfXui: ListDocuments['userOfXui']): ListDocuments {
  return {
    placeOf: placeOfService,
    service: (place, uri, { db }) => serviceAt(db, place, uri),
    document: (address, { db }) => documentAt(db, address),
    userOfXui,
  }
}
