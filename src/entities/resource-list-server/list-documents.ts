/**
 * What the Resource List Server reads of the XDMSs: services of the RLS XDMS (PRS-10) and lists of the Shared XDMS (PRS-9), in
 * this box or elsewhere.
 */

import { type RlsService, rlsServices } from '../../documents/rls-services.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import { limits } from '../../limits.ts'
import type { Transaction, Turn } from '../../turn.ts'
import { ownerOfService, servicesAddress } from '../xdm-client/remote-services.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import type { DocumentAddress, StoredDocument } from '../xdms/documents.ts'
import { placeOfService, rlsServicesUsage } from '../xdms/rls-xdms/rls-services.ts'
import { addressOfList, serviceUriOf } from '../xdms/rls-xdms/service-uri.ts'

export interface ListDocuments {
  /** The document that has the service with this canonical URI; undefined when there is none, or none is known. */
  placeOf(db: Transaction, uri: string): DocumentAddress | undefined
  /** That service as it stands there. */
  service(place: DocumentAddress, uri: string, turn: Turn): RlsService | undefined
  /** `unavailable`: it cannot be had yet. */
  document(address: DocumentAddress, turn: Turn): StoredDocument | undefined | 'unavailable'
  /** Path of the XCAP root below which references to lists lead. */
  listRoot(): string
  /** Whether a URI of the domain may be that of a service nobody knows yet. */
  mayBeService(db: Transaction, uri: string): boolean
  /** Whether it is known which services these users have; if not, that may soon be so. */
  areKnown(users: readonly string[], turn: Turn): boolean
  /** The user that an XUI means; undefined when it means none. */
  userOfXui(xui: string): string | undefined
}

export interface ListDocumentsOptions extends Pick<ListDocuments, 'userOfXui'> {
  readonly reader: DocumentReader
  isUser(db: Transaction, aor: string): boolean
}

export function listDocuments({ reader, isUser, userOfXui }: ListDocumentsOptions): ListDocuments {
  const areServicesHere = () => reader.isHere(rlsServicesUsage.auid)
  return {
    placeOf(db, uri) {
      if (areServicesHere()) return placeOfService(db, uri)
      const owner = ownerOfService(db, uri)
      // What names of other domains are is not for a document of ours to say (RFC 4826 §4.4.5).
      return owner === undefined || userOfXui(uri) === undefined ? undefined : servicesAddress(owner)
    },
    service(place, uri, { db }) {
      const stored = reader.at(db, place)
      return stored === undefined || stored === 'unavailable' ? undefined : serviceIn(stored, uri)
    },
    document: (address, { db }) => reader.at(db, address),
    listRoot: () => reader.rootPath('resource-lists'),
    mayBeService: (db, uri) => !areServicesHere() && (addressOfList(uri) !== undefined || !isUser(db, uri)),
    areKnown: (users, { db }) =>
      areServicesHere() ||
      users.every(user => !isUser(db, user) || reader.at(db, servicesAddress(user)) !== 'unavailable'),
    userOfXui,
  }
}

/** What cannot be read, which storing it should have prevented, has none. */
function serviceIn({ body }: StoredDocument, uri: string): RlsService | undefined {
  try {
    const root = parseXml(body, { limits: limits.xcapDocument, instructions: true })
    return rlsServices(root).find(service => serviceUriOf(service.uri) === uri)
  } catch (error) {
    if (error instanceof XmlError) return undefined
    throw error
  }
}
