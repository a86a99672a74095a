/**
 * What an administrator asks of the box, from the command line or the control socket: users, settings, status. Each
 * command is one turn, so it takes effect at once and whole, and what it sets off leaves with the next commit.
 */

import { presenceWakes } from './entities/presence-server/wakes.ts'
import { listPolicyWake } from './entities/resource-list-server/resource-list-server.ts'
import {
  AccountError,
  AddressError,
  addUser,
  type Domain,
  hasUsers,
  importUsers,
  isUser,
  listUsers,
  removeUser,
  setPassword,
} from './entities/sip-ip-core/accounts.ts'
import { someRegistrations } from './entities/sip-ip-core/bindings.ts'
import { furnishUsers, giveDefaultDocuments } from './entities/xdms/default-documents.ts'
import type { Settings } from './settings/table.ts'
import {
  effectOf,
  listSettings,
  type Overrides,
  putSetting,
  readSettings,
  SettingError,
  settingName,
  settingOf,
  shownValue,
} from './settings.ts'
import type { EntityName, Instant, Output, Transaction, Turn } from './turn.ts'

/** The appliance, as administration sees it. */
export interface Administered {
  administer<T>(entity: EntityName, now: Instant, work: (turn: Turn) => { result: T; outputs: Output[] }): T
  readonly entities: {
    readonly registrar: { readonly notifier: { counts(db: Transaction): Readonly<Record<string, number>> } }
    readonly xdms: { counts(db: Transaction): Readonly<Record<string, number>> }
    readonly 'resource-list-server': { counts(db: Transaction): Readonly<Record<string, number>> }
    readonly 'presence-server': {
      counts(
        db: Transaction,
        now: Instant,
      ): { readonly publications: number; readonly subscriptions: Readonly<Record<string, number>> }
    }
  }
}

/** How much the box holds for its users. */
export interface Counts {
  readonly users: number
  /** Users with at least one registered contact. */
  readonly registrations: number
  readonly publications: number
  readonly subscriptions: number
  readonly subscriptionsByPackage: Readonly<Record<string, number>>
}

export interface AdministrationContext {
  readonly appliance: Administered
  /** Values given for this run only. */
  readonly overrides: Overrides
}

/** A command that cannot be done; the message is one line for the person who gave it. */
export class AdministrationError extends Error {
  override readonly name = 'AdministrationError'
  /** No box could do it: it names what cannot exist, or gives a value that cannot be. */
  readonly isWrongUse: boolean

  constructor(message: string, isWrongUse = false) {
    super(message)
    this.isWrongUse = isWrongUse
  }
}

type Arguments = Readonly<Record<string, unknown>>

/**
 * Does one command and returns its result, plain data for JSON; safe on disk once the appliance has committed. Throws
 * AdministrationError, and then nothing has changed.
 */
export function administer(context: AdministrationContext, command: string, given: Arguments, now: Instant): unknown {
  const work = works[command]
  if (work === undefined) throw new AdministrationError(`there is no command '${command}'`)
  try {
    return context.appliance.administer('registrar', now, turn => work(given, turn, context))
  } catch (error) {
    if (error instanceof SettingError || error instanceof AddressError)
      throw new AdministrationError(error.message, true)
    if (error instanceof AccountError) throw new AdministrationError(error.message)
    throw error
  }
}

const decideForAll: ReadonlySet<string> = new Set([
  'presence.defaultHandling',
  'presence.softOverridesHard',
  'prs5.root',
  'prs8.root',
])

type Work = (
  given: Arguments,
  turn: Turn,
  context: AdministrationContext,
) => { readonly result: unknown; readonly outputs: Output[] }

const works: Readonly<Record<string, Work | undefined>> = {
  'user add': (given, turn) => {
    requireDisk(turn)
    const displayName = given.displayName === undefined ? undefined : text(given, 'displayName')
    const user = { address: text(given, 'address'), password: text(given, 'password'), displayName }
    furnish(turn)
    const aor = addUser(turn.db, user, domainOf(turn.settings), turn.now)
    giveDefaultDocuments(turn, [aor], isUser)
    return answer({ aor })
  },
  'user list': (_given, turn) =>
    answer(
      [...listUsers(turn.db)].map(({ aor, account }) => ({
        aor,
        displayName: account.displayName,
        createdAt: new Date(account.createdAt).toISOString(),
        usable: account.realm === domainOf(turn.settings).realm,
      })),
    ),
  'user remove': (given, turn) =>
    answer({}, removeUser(turn.db, text(given, 'address'), domainOf(turn.settings), turn.now)),
  'user password': (given, turn) =>
    answer({
      aor: setPassword(turn.db, text(given, 'address'), text(given, 'password'), domainOf(turn.settings)),
    }),
  'user import': (given, turn) => {
    requireDisk(turn)
    furnish(turn)
    const { added, changed } = importUsers(turn.db, text(given, 'csv'), domainOf(turn.settings), turn.now)
    giveDefaultDocuments(turn, added, isUser)
    return answer({ added: added.length, changed })
  },
  'user any': (_given, turn) => answer({ any: hasUsers(turn.db) }),
  count: (_given, turn, { appliance }) => answer(counts(appliance, turn)),
  'settings list': (_given, turn, { overrides }) => answer(listSettings(turn.db, turn.settings, overrides)),
  'settings get': (given, turn) => {
    const name = settingName(text(given, 'name'))
    const value = settingOf(turn.settings, name)
    return answer({ value: given.reveal === true ? value : shownValue(name, value) })
  },
  'settings set': (given, turn, { overrides }) => {
    const name = settingName(text(given, 'name'))
    putSetting(turn.db, name, text(given, 'value'))
    // Refuses values that contradict others, in the same transaction.
    readSettings(turn.db)
    // Who may watch, or what they see, may have changed for everybody who watches now (PS-95 to PS-98, PS-123).
    const outputs = decideForAll.has(name) ? [presenceWakes.policiesChanged(turn.now)] : []
    if (name === 'lists.openTo' || name === 'lists.membersMax') outputs.push(listPolicyWake(turn.now))
    const effect = overrides.has(name) ? 'overridden' : effectOf(name)
    return answer({ name, shown: shownValue(name, text(given, 'value')), effect }, outputs)
  },
}

function requireDisk(turn: Turn): void {
  if (turn.diskIsFull) throw new AdministrationError('the disk is full: users can be added when there is room again')
}

/** Before the first user with documents comes, those who are there are given theirs. */
function furnish(turn: Turn): void {
  furnishUsers(turn, () => [...listUsers(turn.db)].map(({ aor }) => aor), isUser)
}

function counts({ entities }: Administered, { db, now }: Turn): Counts {
  const presence = entities['presence-server'].counts(db, now)
  const lists = Object.entries(entities['resource-list-server'].counts(db))
  const subscriptionsByPackage = {
    ...presence.subscriptions,
    ...entities.registrar.notifier.counts(db),
    ...entities.xdms.counts(db),
    ...Object.fromEntries(lists.map(([name, count]) => [`lists of ${name}`, count])),
  }
  return {
    users: [...listUsers(db)].length,
    registrations: [...someRegistrations(db, '', Number.MAX_SAFE_INTEGER)].filter(({ registration }) =>
      registration.bindings.some(({ expiresAt }) => expiresAt > now),
    ).length,
    publications: presence.publications,
    subscriptions: Object.values(subscriptionsByPackage).reduce((sum, count) => sum + count, 0),
    subscriptionsByPackage,
  }
}

/** Where users live: the realm of their passwords is the domain unless a setting names another. */
function domainOf(settings: Settings): Domain {
  const { domain, auth, lists } = settings
  return { domain, realm: auth.realm || domain, listServer: `sip:${lists.requestUser}@${domain}` }
}

function answer(result: unknown, outputs: Output[] = []): { result: unknown; outputs: Output[] } {
  return { result, outputs }
}

function text(given: Arguments, name: string): string {
  const value = given[name]
  if (typeof value !== 'string') throw new AdministrationError(`${name} is missing`)
  return value
}
