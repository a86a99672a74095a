/**
 * The documents a user begins with (DEC-02, XDM-46), out of templates that the operator can change: the document `template` in
 * the global tree of an application usage that declares one. A user's copy is kept as the name of its template, a few dozen
 * octets for each user, until he changes it; to everybody who reads it, it is a document like others.
 */

import { limits } from '../../limits.ts'
import { HttpRefusal } from '../../protocols/http/errors.ts'
import { readDocument } from '../../protocols/xcap/edit.ts'
import { type Instant, type Transaction, type Turn, table } from '../../turn.ts'
import type { ApplicationUsage } from './application-usage.ts'
import {
  type DocumentAddress,
  documentAt,
  documentsOf,
  filledIn,
  putDefaultDocument,
  type StoredDocument,
  templateId,
} from './documents.ts'
import { omaPresRules, presRules } from './presence-xdms/presence-rules.ts'
import { presenceUsages } from './presence-xdms/usages.ts'
import { rlsUsages } from './rls-xdms/usages.ts'
import { sharedUsages } from './shared-xdms/usages.ts'

/** Path of a template in the global tree of its usage. */
export const templatePath = 'template'

const usages = [...presenceUsages, ...sharedUsages, ...rlsUsages]

/** Documents that decide about watchers. */
const rulesAuids = [presRules.auid, omaPresRules.auid]

/** Whether users from before there were templates have their documents: once and for all, keyed ['users']. */
const furnished = table<Instant>('xdm-furnished', 'hard')

/** Whether an address-of-record is somebody's. */
type IsUser = (turn: Turn, user: string) => boolean

/**
 * Writes the documents that a new user has, unless the operator wants none. What he has already stays; what he could not write
 * himself, such as a service whose URI is another's, he is not given.
 */
export function giveDefaultDocuments(turn: Turn, users: Iterable<string>, isUser: IsUser): void {
  if (!turn.settings.xcap.defaultDocuments) return
  const templates = usages.flatMap(usage => {
    const text = templateOf(turn.db, usage)
    return text === undefined ? [] : [{ usage, text }]
  })
  for (const xui of users) {
    for (const { usage, text } of templates) {
      const address = { auid: usage.auid, xui, path: usage.newUsers!.path }
      if (documentAt(turn.db, address) === undefined && isFitting(usage, text, address, isUser, turn))
        putDefaultDocument(turn.db, address, text, turn.now)
    }
  }
}

/** Does for a document what is done for one that a user writes, where its usage wants anything done. */
function isFitting(
  usage: ApplicationUsage,
  text: string,
  address: DocumentAddress,
  isUser: IsUser,
  turn: Turn,
): boolean {
  if (usage.constrain === undefined && usage.changed === undefined) return true
  const { xui } = address
  try {
    const root = readDocument(Buffer.from(filledIn(text, xui)), limits.xcapDocument)
    // Its references are to himself, by his address, and its services are names of the domain.
    const domain = `@${turn.settings.domain}`
    const userOf = (uri: string) => (uri.split(';', 1)[0]!.endsWith(domain) ? uri : undefined)
    usage.constrain?.(root, { address, usage, turn, userOf, isUser: user => isUser(turn, user) })
    usage.changed?.(address, undefined, root, turn.db)
    return true
  } catch (error) {
    if (error instanceof HttpRefusal) return false
    throw error
  }
}

/**
 * Gives documents to users of a box whose accounts are older than templates, at its first start with them: to those who have
 * written no rules, unless the operator has said himself what is to happen to these. Returns whether anybody got any.
 */
export function furnishUsers(turn: Turn, users: () => readonly string[], isUser: IsUser): boolean {
  const { db, now, settings } = turn
  if (!settings.xcap.defaultDocuments || db.get(furnished, ['users']) !== undefined) return false
  db.put(furnished, ['users'], now)
  if (settings.presence.defaultHandling !== 'block') return false
  const hasNoRules = (user: string) => rulesAuids.every(auid => [...documentsOf(db, auid, user)].length === 0)
  const given = users().filter(hasNoRules)
  giveDefaultDocuments(turn, given, isUser)
  return given.length > 0
}

/** The template that is shipped, where the operator has put none of his own. */
export function shippedTemplate(usage: ApplicationUsage, { xui, path }: DocumentAddress): StoredDocument | undefined {
  const text = usage.newUsers?.template
  if (xui !== '' || path !== templatePath || text === undefined) return undefined
  return { etag: templateId(text), body: Buffer.from(text), modifiedAt: 0 }
}

function templateOf(db: Transaction, { auid, newUsers }: ApplicationUsage): string | undefined {
  if (newUsers === undefined) return undefined
  const stored = documentAt(db, { auid, xui: '', path: templatePath })
  return stored === undefined ? newUsers.template : Buffer.from(stored.body).toString('utf8')
}
