/** What happens to a user's documents when he is removed: who gets his address after him must not find them. */

import { parseXml } from '../../documents/xml/parse.ts'
import type { Transaction } from '../../turn.ts'
import { deleteDocument, documentsOf } from './documents.ts'
import { presenceUsages } from './presence-xdms/usages.ts'
import { rlsUsages } from './rls-xdms/usages.ts'
import { sharedUsages } from './shared-xdms/usages.ts'
import { storedLimits } from './xdms.ts'

/** Deletes all documents of a user, and what is derived from them. */
export function removeDocuments(db: Transaction, xui: string): void {
  for (const usage of [...presenceUsages, ...rlsUsages, ...sharedUsages]) {
    if (usage.viewOf !== undefined) continue
    for (const { path, document } of documentsOf(db, usage.auid, xui)) {
      const address = { auid: usage.auid, xui, path }
      deleteDocument(db, address)
      usage.changed?.(address, parseXml(document.body, { limits: storedLimits, instructions: true }), undefined, db)
    }
  }
}
