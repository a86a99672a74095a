/**
 * List services whose documents are elsewhere (PRS-10): whose each one is, out of the documents that are known here. A user's
 * services are looked for in his own document (RFC 4826 §4.4), since only their owner, or whom the operator lets, subscribes.
 */

import { rlsServices } from '../../documents/rls-services.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import { limits } from '../../limits.ts'
import { type Transaction, table } from '../../turn.ts'
import type { DocumentAddress, StoredDocument } from '../xdms/documents.ts'
import { rlsServicesUsage } from '../xdms/rls-xdms/rls-services.ts'
import { serviceUriOf } from '../xdms/rls-xdms/service-uri.ts'

/** Address-of-record of the owner, keyed [canonical URI]. */
const services = table<string>('remote-services', 'soft')

/** The document that has a user's services. */
export function servicesAddress(user: string): DocumentAddress {
  return { auid: rlsServicesUsage.auid, xui: user, path: 'index' }
}

/** The owner of the service with this canonical URI, as far as that is known. */
export function ownerOfService(db: Transaction, uri: string): string | undefined {
  return db.get(services, [uri])
}

/** What is known of a document has changed. A URI that two users claim stays with the first (§4.4.5). */
export function noteServices(
  { auid, xui, path }: DocumentAddress,
  previous: StoredDocument | undefined,
  next: StoredDocument | undefined,
  db: Transaction,
): void {
  const { auid: ours, path: indexed } = servicesAddress(xui)
  if (auid !== ours || path !== indexed || xui === '') return
  const uris = urisOf(next)
  for (const uri of urisOf(previous)) if (!uris.has(uri) && db.get(services, [uri]) === xui) db.delete(services, [uri])
  for (const uri of uris) if (db.get(services, [uri]) === undefined) db.put(services, [uri], xui)
}

function urisOf(document: StoredDocument | undefined): Set<string> {
  if (document === undefined) return new Set()
  try {
    const root = parseXml(document.body, { limits: limits.xcapDocument, instructions: true })
    return new Set(rlsServices(root).map(({ uri }) => serviceUriOf(uri)))
  } catch (error) {
    if (error instanceof XmlError) return new Set()
    throw error
  }
}
