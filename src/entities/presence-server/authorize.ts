/**
 * Whether and how a watcher may see a presentity (RFC 5025, PS-70..79): by the rules the presentity has written, or as the
 * operator has set it for those who have none (DEC-02).
 */

import { allPermissions, noPermissions, type Permissions, subHandlings } from '../../documents/presence-rules.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import { parseXml } from '../../documents/xml/parse.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import { ParseError } from '../../protocols/sip/errors.ts'
import { addressOfRecord, parseUri } from '../../protocols/sip/uri.ts'
import type { Subscriber } from '../../protocols/sip-events/event-package.ts'
import type { Instant, Transaction, Turn } from '../../turn.ts'
import type { DocumentReader } from '../xdms/document-reader.ts'
import type { DocumentAddress } from '../xdms/documents.ts'
import { presenceSources } from './presence-document.ts'
import { type Published, RuleDocuments } from './rules/documents.ts'
import { evaluate, overriding } from './rules/evaluate.ts'
import { membersOf } from './rules/lists.ts'
import { listsOf, nextBoundary, type Outcome, outcomeOf, type RuleSet } from './rules/rule-set.ts'
import { sphereOf } from './rules/sphere.ts'

export interface AuthorizationOptions {
  /** The user that an XUI means; undefined when it means none. */
  userOfXui(xui: string): string | undefined
  /** Rules and lists, wherever they are. */
  readonly documents: DocumentReader
}

/** The rules of one presentity as they stand in one turn, with what they need to know looked up once. */
interface Judgement {
  readonly presentity: string
  readonly set: RuleSet | undefined | 'unavailable'
  /** The operator's rules, which go before these. */
  readonly operatorSet: RuleSet | undefined
  readonly sphere: string | undefined
  readonly listMembers: (list: string) => ReadonlySet<string> | undefined | 'awaited'
  /** What each watcher gets, by his identities: it is asked whether, how often and what he is told. */
  readonly outcomes: Map<string, Outcome>
}

const everything = outcomeOf(subHandlings.allow, allPermissions)

export class Authorization {
  readonly #options: AuthorizationOptions
  readonly #documents: RuleDocuments
  /** One turn asks about many watchers of one presentity; turns do not overlap, so the latest is enough. */
  #latest: { readonly turn: Turn; readonly judgement: Judgement } | undefined
  readonly #lists = new Map<string, KnownList>()
  /** Members of all these lists. */
  #remembered = 0

  constructor(options: AuthorizationOptions) {
    this.#options = options
    this.#documents = new RuleDocuments(canonicalUri, options.documents)
  }

  /** What a watcher gets now. A presentity always sees himself (PS-93); the operator's word goes before his (PS-92). */
  outcome(presentity: string, watcher: Subscriber, turn: Turn): Outcome {
    if (watcher.identities.includes(presentity)) return everything
    const judgement = this.#judgement(presentity, turn)
    if (judgement.set === undefined && judgement.operatorSet === undefined) return this.#unruled(watcher, turn)
    const { identities } = watcher
    const key = identities.length === 1 ? identities[0]! : identities.join(' ')
    let outcome = judgement.outcomes.get(key)
    if (outcome === undefined) {
      outcome = this.#ruled(judgement, watcher, turn)
      judgement.outcomes.set(key, outcome)
    }
    return outcome
  }

  #ruled({ set, operatorSet, sphere, listMembers }: Judgement, watcher: Subscriber, turn: Turn): Outcome {
    const request = { identities: watcher.identities, now: turn.now, sphere, listMembers }
    const own = () => {
      // PS-75, SEC-03: nothing is shown, and nobody is turned away who may be let in when the rules are there.
      if (set === 'unavailable') return withoutRules(subHandlings.confirm)
      return set === undefined ? this.#unruled(watcher, turn) : evaluate(set, request)
    }
    return operatorSet === undefined ? own() : overriding(operatorSet, request, own)
  }

  #unruled(watcher: Subscriber, turn: Turn): Outcome {
    // Who has no identity sees nobody who has not said otherwise (DEC-07, PS-77).
    if (watcher.identities.length === 0) return withoutRules(subHandlings.block)
    return withoutRules(subHandlings[turn.settings.presence.defaultHandling])
  }

  /**
   * What of a publication for a presentity, or of what is written for good, counts: of his own everything, of another's what
   * his rules let through (PS-12, PS-112). `unavailable`: his rules cannot be had.
   */
  publication(
    presentity: string,
    publisher: Pick<Subscriber, 'identities'>,
    turn: Turn,
    about: Published = 'publication',
  ): Outcome | 'unavailable' {
    if (publisher.identities.includes(presentity)) return everything
    const set = this.#documents.publicationRulesOf(turn.db, presentity, about)
    if (set === 'unavailable') return set
    if (set === undefined) return withoutRules(subHandlings.block)
    return evaluate(set, {
      identities: publisher.identities,
      now: turn.now,
      ...this.#circumstances(set.usesSphere, [set], presentity, turn),
    })
  }

  /** The operator's rules are being changed, in a turn that asks for no rules. */
  operatorRulesChanging(): void {
    this.#documents.forgetOperatorRules()
  }

  /** When rules of the operator next begin or cease to hold by themselves. */
  nextOperatorBoundary(db: Transaction, now: Instant): Instant | undefined {
    const set = this.#documents.operatorRules(db)
    return set && nextBoundary(set, now)
  }

  /** When rules of a presentity next begin or cease to hold by themselves (PS-99). */
  nextBoundary(db: Transaction, presentity: string, now: Instant): Instant | undefined {
    const set = this.#documents.rulesOf(db, presentity)
    return set === undefined || set === 'unavailable' ? undefined : nextBoundary(set, now)
  }

  /** Whether rules of a presentity refer to lists, or may (PS-99). */
  refersToLists(db: Transaction, presentity: string): boolean {
    const set = this.#documents.rulesOf(db, presentity)
    return set === 'unavailable' || (set !== undefined && listsOf(set).size > 0)
  }

  #judgement(presentity: string, turn: Turn): Judgement {
    if (this.#latest?.turn === turn && this.#latest.judgement.presentity === presentity) return this.#latest.judgement
    const set = this.#documents.rulesOf(turn.db, presentity)
    const operatorSet = this.#documents.operatorRules(turn.db)
    const rules = [set, operatorSet].filter(one => one !== undefined && one !== 'unavailable')
    const usesSphere = rules.some(one => one.usesSphere)
    const circumstances = this.#circumstances(usesSphere, rules, presentity, turn)
    const judgement = { presentity, set, operatorSet, ...circumstances, outcomes: new Map() }
    this.#latest = { turn, judgement }
    return judgement
  }

  /** `rules`: those whose lists are looked at. */
  #circumstances(
    usesSphere: boolean,
    rules: readonly RuleSet[],
    presentity: string,
    turn: Turn,
  ): Pick<Judgement, 'sphere' | 'listMembers'> {
    let lists: LookedAt | undefined
    return {
      sphere: usesSphere ? presentitySphere(presentity, turn, this.#options.documents) : undefined,
      listMembers: list => {
        lists ??= {
          followed: new Set(rules.flatMap(followed)),
          members: new Map(),
          seen: { etags: new Map(), roots: new Map(), entriesLeft: limits.externalLists.members },
        }
        const { members, seen } = lists
        if (!members.has(list) && lists.followed.has(list))
          members.set(list, this.#members(list, presentity, turn, seen))
        return members.get(list)
      },
    }
  }

  /** Only the presentity's own lists and the global ones: another's would be given away by who is let in (PS-90). */
  #members(list: string, presentity: string, turn: Turn, seen: SeenDocuments): ReturnType<Judgement['listMembers']> {
    const { etags, roots } = seen
    const { documents } = this.#options
    const root = documents.rootPath('resource-lists')
    const key = `${presentity} ${root} ${list}`
    const known = this.#lists.get(key)
    if (known?.from.every(({ address, etag }) => etagAt(documents, turn.db, address, etags) === etag)) {
      seen.entriesLeft -= known.entries
      return seen.entriesLeft < 0 ? undefined : known.members
    }
    const from: KnownList['from'][number][] = []
    let isAwaited = false
    const source: Parameters<typeof membersOf>[1] = {
      root,
      canonical: canonicalUri,
      read: (auid, xui, path) => {
        const owner = xui === '' ? '' : this.#options.userOfXui(xui)
        if (owner !== '' && owner !== presentity) return 'unavailable'
        const address = { auid, xui: owner, path }
        const document = documents.at(turn.db, address)
        if (document === 'unavailable') {
          isAwaited = true
          return document
        }
        from.push({ address, etag: document?.etag })
        if (document === undefined) return undefined
        if (!roots.has(document.etag)) roots.set(document.etag, readable(document.body))
        return roots.get(document.etag) ?? 'unavailable'
      },
    }
    const { members, entries } = membersOf(list, source, seen.entriesLeft)
    seen.entriesLeft -= entries
    if (isAwaited && members === undefined) return 'awaited'
    // What had no room behind others may have some in other rules.
    if (members !== undefined || seen.entriesLeft >= 0) this.#remember(key, { members, entries, from })
    return members
  }

  #remember(key: string, list: KnownList): void {
    const size = list.members?.size ?? 0
    this.#remembered += size - (this.#lists.get(key)?.members?.size ?? 0)
    if (this.#remembered > limits.listMembersRemembered || this.#lists.size >= limits.listsRemembered) {
      this.#lists.clear()
      this.#remembered = size
    }
    this.#lists.set(key, list)
  }
}

/** The entity-tag of a document. */
function etagAt(
  documents: DocumentReader,
  db: Transaction,
  address: DocumentAddress,
  etags: Map<string, string | undefined>,
): string | undefined {
  const key = `${address.auid} ${address.xui} ${address.path}`
  if (!etags.has(key)) {
    const document = documents.at(db, address)
    etags.set(key, document === 'unavailable' ? document : document?.etag)
  }
  return etags.get(key)
}

/** What one turn has seen of the documents that lists are in: several lists of a rule are in one, which may be large. */
interface SeenDocuments {
  /** By address; read once. */
  readonly etags: Map<string, string | undefined>
  /** By entity-tag; undefined when it cannot be read. */
  readonly roots: Map<string, XmlElement | undefined>
  /** Entries of all lists together that may still be looked at. */
  entriesLeft: number
}

/** The lists that one turn has asked for: most rules name none. */
interface LookedAt {
  readonly followed: ReadonlySet<string>
  readonly members: Map<string, ReturnType<Judgement['listMembers']>>
  readonly seen: SeenDocuments
}

/** The lists of rules that are looked at; one beyond the limit counts as one that cannot be had. */
function followed(set: RuleSet): string[] {
  return [...listsOf(set)].slice(0, limits.externalLists.references)
}

/** The members of a list, true as long as the documents they came from are the same; undefined when they cannot be had. */
interface KnownList {
  readonly members: ReadonlySet<string> | undefined
  readonly entries: number
  readonly from: readonly { readonly address: DocumentAddress; readonly etag: string | undefined }[]
}

/** The canonical text of a URI, as identities are asserted; undefined when it is none. */
export function canonicalUri(uri: string): string | undefined {
  try {
    return addressOfRecord(parseUri(uri.trim()))
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

const outcomesWithoutRules = new Map<number, Outcome>()

function withoutRules(handling: number): Outcome {
  let outcome = outcomesWithoutRules.get(handling)
  if (outcome === undefined) {
    const permissions: Permissions = handling === subHandlings.allow ? allPermissions : noPermissions
    outcome = outcomeOf(handling, permissions)
    outcomesWithoutRules.set(handling, outcome)
  }
  return outcome
}

/** Where what is published says something, what is stored may have to be silent (PS-123). */
function presentitySphere(presentity: string, turn: Turn, documents: DocumentReader): string | undefined {
  const sources = presenceSources(presentity, turn, documents)
  const sphere = (kind: 'soft' | 'hard' | undefined) =>
    sphereOf(
      sources.filter(source => kind === undefined || source.kind === kind).map(({ bytes }) => bytes),
      turn.now,
    )
  return turn.settings.presence.softOverridesHard ? (sphere('soft') ?? sphere('hard')) : sphere(undefined)
}

function readable(body: Uint8Array): XmlElement | undefined {
  try {
    return parseXml(body, { limits: limits.xcapDocument, instructions: true })
  } catch (error) {
    if (error instanceof XmlError) return undefined
    throw error
  }
}
