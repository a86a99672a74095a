/** What the parts of the Presence Server share: whom it serves, and how watchers are told. */

import type { Uri } from '../../protocols/sip/uri.ts'
import type { Instant, Output, Transaction, Turn } from '../../turn.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import type { Authorization } from './authorize.ts'
import type { RegistrationReport } from './compose.ts'
import type { ViewBases } from './partial.ts'
import type { ObjectStore } from './published-objects.ts'
import type { PublicationsWaiting } from './stored-first.ts'

export interface PresenceContext {
  /** Who may see whom, and how. */
  readonly authorization: Authorization
  /** What watchers who are told of changes were told last. */
  readonly bases: ViewBases
  /** Rules, lists and permanent presence, wherever they are (PRS-5, PRS-8). */
  readonly documents: DocumentReader
  /** The address-of-record that a URI stands for here, whether or not he is a user; undefined when it leads elsewhere. */
  userOf(uri: Uri): string | undefined
  /** Whether somebody with this address-of-record is a user of the box. */
  isUser(db: Transaction, aor: string): boolean
  /** What the registrar knows of a user (SIP-10). */
  registrationState(db: Transaction, aor: string, now: Instant): RegistrationReport['state']
  /** Where the objects are kept that documents refer to (PRS-15). */
  readonly objects: ObjectStore
  /** Publications whose objects are on their way there. */
  readonly waiting: PublicationsWaiting
  /** When this process took up service. */
  restartedAt(): Instant
  /** What there is to tell about a presentity has changed: notifies those who watch. */
  presenceChanged(presentity: string, turn: Turn): Output[]
}
