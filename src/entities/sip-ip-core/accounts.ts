/**
 * The users of the box and the digests of their passwords: what the command line and device management change, and what
 * authentication reads (RFC 3261 §22, RFC 8760 §2). A password itself is never kept.
 */

import { CsvError, csvRecords } from '../../documents/csv.ts'
import { limits } from '../../limits.ts'
import { type DigestAlgorithm, passwordDigest } from '../../protocols/sip/digest.ts'
import { addressOfRecord, isSipUri, parseUri } from '../../protocols/sip/uri.ts'
import { departedWake, policyWake } from '../../protocols/sip-events/notifier.ts'
import { type Instant, type Output, type Transaction, type Turn, table } from '../../turn.ts'
import { removeObjects } from '../content-server/objects.ts'
import { presenceWakes } from '../presence-server/wakes.ts'
import { removeDocuments } from '../xdms/removal.ts'
import { placeOfService } from '../xdms/rls-xdms/rls-services.ts'
import { removeRegistration } from './bindings.ts'

/** H(username:realm:password), hexadecimal, by algorithm (RFC 7616 §3.4.2). */
type PasswordDigests = Readonly<Record<DigestAlgorithm, string>>

export interface Account {
  readonly displayName?: string
  readonly createdAt: Instant
  /** The realm the digests were made for; under another one the password must be set anew. */
  readonly realm: string
  /** For the username `alice`. */
  readonly digests: PasswordDigests
  /** For the username `alice@box.example`, which some clients use. */
  readonly addressDigests: PasswordDigests
}

/** Keyed [address-of-record]. */
const accounts = table<Account>('accounts', 'hard')

/** A command about users that cannot be done; the message is one line for the person who gave it. */
export class AccountError extends Error {
  override readonly name = 'AccountError'
}

/** Text that cannot be the address of a user of the domain, whoever has an account. */
export class AddressError extends AccountError {}

export interface NewUser {
  /** `alice`, `alice@box.example` or `sip:alice@box.example`. */
  readonly address: string
  readonly password: string
  readonly displayName?: string | undefined
}

/** Where users live and what their passwords are digests for. */
export interface Domain {
  readonly domain: string
  readonly realm: string
  /** The address for lists that come with requests (RFC 5367), which no user has. */
  readonly listServer?: string
}

/** The account of a user; undefined when there is none. */
export function accountOf(db: Transaction, aor: string): Account | undefined {
  return db.get(accounts, [aor])
}

/** Whether requests may be for this user: he has an account, or the box is a laboratory's and asks nobody for one. */
export function isUser(turn: Pick<Turn, 'db' | 'settings'>, aor: string): boolean {
  return !turn.settings.auth.required || turn.db.get(accounts, [aor]) !== undefined
}

/**
 * Makes an account and returns its address-of-record. Throws AccountError if the address is not one of the domain, or is taken, be
 * it by a list (RFC 4826 §4.4.5): who asked for the user would be told of that.
 */
export function addUser(db: Transaction, user: NewUser, domain: Domain, now: Instant): string {
  const aor = userAddress(user.address, domain.domain)
  if (db.get(accounts, [aor]) !== undefined) throw new AccountError(`${aor} exists already`)
  requireFree(db, aor, domain)
  const { displayName } = user
  db.put(accounts, [aor], {
    ...(displayName ? { displayName } : {}),
    createdAt: now,
    ...credentials(aor, user.password, domain.realm),
  })
  return aor
}

/** Throws AccountError when an address is that of a list. */
function requireFree(db: Transaction, aor: string, { listServer }: Domain): void {
  if (aor === listServer) throw new AccountError(`${aor} is the address of the box for lists`)
  const service = placeOfService(db, aor)
  if (service !== undefined) throw new AccountError(`${aor} is the address of a list of ${service.xui || 'everybody'}`)
}

/** Gives a user another password. Throws AccountError if there is no such user. */
export function setPassword(db: Transaction, address: string, password: string, domain: Domain): string {
  const aor = userAddress(address, domain.domain)
  const account = db.get(accounts, [aor])
  if (account === undefined) throw new AccountError(`${aor} does not exist`)
  db.put(accounts, [aor], { ...account, ...credentials(aor, password, domain.realm) })
  return aor
}

/**
 * Removes a user with his registrations and documents; whoever watches them is woken, and the Presence Server, which drops what
 * it keeps for him. What he has subscribed to ends. Throws AccountError if there is no such user.
 */
export function removeUser(db: Transaction, address: string, domain: Domain, now: Instant): Output[] {
  const aor = userAddress(address, domain.domain)
  if (db.get(accounts, [aor]) === undefined) throw new AccountError(`${aor} does not exist`)
  db.delete(accounts, [aor])
  removeDocuments(db, aor)
  removeObjects(db, aor)
  return [
    ...removeRegistration(db, aor, 'rejected', now),
    policyWake('reg', aor, now, 'registrar'),
    policyWake('xcap-diff', aor, now, 'xdms'),
    policyWake('ua-profile', aor, now, 'xdms'),
    presenceWakes.userChanged(aor, now),
    ...notifiers.map(entity => departedWake(aor, now, entity)),
  ]
}

/** Entities that users subscribe with. */
const notifiers = ['presence-server', 'resource-list-server', 'registrar', 'xdms'] as const

/** Whether there is anybody, without counting them. */
export function hasUsers(db: Transaction): boolean {
  for (const _ of db.range(accounts, { limit: 1 })) return true
  return false
}

/** Every user, in order of address. */
export function* listUsers(db: Transaction): Iterable<{ readonly aor: string; readonly account: Account }> {
  for (const [key, account] of db.range(accounts, {})) yield { aor: key[0] as string, account }
}

/**
 * Makes an account, or sets the password of one, for every line `address,password` or `address,password,display name` of
 * `text` (CSV, RFC 4180; empty lines and a heading `aor,password` are passed over). Returns the addresses-of-record that are
 * new. All or none: throws AccountError with the line's number.
 */
export function importUsers(
  db: Transaction,
  text: string,
  domain: Domain,
  now: Instant,
): { readonly added: readonly string[]; readonly changed: number } {
  const added: string[] = []
  let changed = 0
  for (const { line, aor, password, displayName } of readUsers(text, domain)) {
    const existing = db.get(accounts, [aor])
    if (existing === undefined) {
      atLine(line, () => requireFree(db, aor, domain))
      added.push(aor)
    } else changed++
    const name = displayName || existing?.displayName
    db.put(accounts, [aor], {
      ...(name ? { displayName: name } : {}),
      createdAt: existing?.createdAt ?? now,
      ...credentials(aor, password, domain.realm),
    })
  }
  return { added, changed }
}

/** The users in a text that `importUsers` takes. Throws AccountError with the line's number. */
export function* readUsers(
  text: string,
  domain: Pick<Domain, 'domain'>,
): Iterable<{
  readonly line: number
  readonly aor: string
  readonly password: string
  readonly displayName?: string
}> {
  let count = 0
  try {
    for (const { line, fields } of csvRecords(text)) {
      const [address = '', password = '', displayName] = fields
      if (line === 1 && isHeading(fields)) continue
      if (fields.length < 2 || fields.length > 3)
        throw new AccountError(`line ${line}: expected address,password or address,password,display name`)
      if (count++ >= limits.importedUsers)
        throw new AccountError(`line ${line}: more than ${limits.importedUsers} users in one import`)
      const aor = atLine(line, () => readUser(address, password, domain))
      yield { line, aor, password, ...(displayName ? { displayName } : {}) }
    }
  } catch (error) {
    if (error instanceof CsvError) throw new AccountError(error.message)
    throw error
  }
}

function readUser(address: string, password: string, { domain }: Pick<Domain, 'domain'>): string {
  const aor = userAddress(address, domain)
  checkPassword(aor, password)
  return aor
}

/** What `work` returns; an AccountError of it says in which line it was. */
function atLine<T>(line: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof AccountError) throw new AccountError(`line ${line}: ${error.message}`)
    throw error
  }
}

/** Names of the columns instead of a user (RFC 4180 §2 item 3): taken for one, it would open an account to everybody. */
function isHeading([address = '', password = '']: readonly string[]): boolean {
  return address.toLowerCase() === 'aor' && password.toLowerCase() === 'password'
}

/** The address-of-record that `text` names in this domain. Throws AddressError when it names no user of it. */
export function userAddress(text: string, domain: string): string {
  const trimmed = text.trim()
  const withHost = trimmed.includes('@') ? trimmed : `${trimmed}@${domain}`
  try {
    const uri = parseUri(/^sips?:/i.test(withHost) ? withHost : `sip:${withHost}`)
    if (!isSipUri(uri) || uri.user === undefined || uri.password !== undefined)
      throw new AddressError(`'${trimmed}' is not the address of a user`)
    if (uri.host !== domain) throw new AddressError(`'${trimmed}' is not in the domain ${domain}`)
    if (uri.user.length > limits.userNameOctets) throw new AddressError(`'${trimmed}' is too long`)
    if (uri.user.startsWith('tgruu.')) throw new AddressError(`'${trimmed}' begins like a temporary GRUU`)
    return addressOfRecord(uri)
  } catch (error) {
    if (error instanceof AccountError) throw error
    throw new AddressError(`'${trimmed}' is not the address of a user`)
  }
}

function checkPassword(aor: string, password: string): void {
  if (password === '') throw new AccountError(`the password of ${aor} is empty`)
  if (password.length > limits.passwordCharacters) throw new AccountError(`the password of ${aor} is too long`)
}

function credentials(aor: string, password: string, realm: string) {
  checkPassword(aor, password)
  const address = aor.slice('sip:'.length)
  const name = decodeURIComponent(address.slice(0, address.lastIndexOf('@')))
  return {
    realm,
    digests: passwordDigests(name, realm, password),
    addressDigests: passwordDigests(address, realm, password),
  }
}

function passwordDigests(username: string, realm: string, password: string): PasswordDigests {
  return {
    'SHA-256': passwordDigest('SHA-256', username, realm, password),
    'SHA-512-256': passwordDigest('SHA-512-256', username, realm, password),
    MD5: passwordDigest('MD5', username, realm, password),
  }
}
