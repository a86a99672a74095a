/**
 * Documents as the Presence Server and the Resource List Server read them, wherever they are (PRS-5, PRS-8, PRS-9, PRS-10): in
 * the XDMSs of this box in place, else as far as the XDM client has them.
 */

import { SipRefusal } from '../../protocols/sip/errors.ts'
import type { Transaction } from '../../turn.ts'
import type { DocumentAddress, StoredDocument } from './documents.ts'

/**
 * 503 with Retry-After: what is to be answered depends on documents that were asked for and may be here soon. Until then the
 * appliance keeps the request back.
 */
export class DocumentsAwaited extends SipRefusal {
  constructor() {
    super(503, { headers: [['Retry-After', '2']] })
  }
}

export interface DocumentReader {
  /**
   * The document at this address; undefined when there is none. `unavailable`: nobody knows yet, or any more, which may only
   * reveal less (PS-75); when that changes, the reader's change listener hears of it.
   */
  at(db: Transaction, address: DocumentAddress): StoredDocument | undefined | 'unavailable'
  /** The documents of a user, or of the global tree, under one application usage; `unavailable` as above. */
  of(db: Transaction, auid: string, xui: string): readonly StoredDocument[] | 'unavailable'
  /** Whether the documents of a usage are in this box. */
  isHere(auid: string): boolean
  /** Path of the XCAP root below which references to documents of a usage lead. */
  rootPath(auid: string): string
}
