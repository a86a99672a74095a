/** The rules a presentity has written, out of his documents, read once per version of them. */

import type { CanonicalUri } from '../../../documents/common-policy.ts'
import { type PresenceRule, readPresenceRules } from '../../../documents/presence-rules.ts'
import { readPermanentPresenceRules, readPublicationRules } from '../../../documents/publication-rules.ts'
import { XmlError } from '../../../documents/xml/errors.ts'
import { parseXml } from '../../../documents/xml/parse.ts'
import type { XmlElement } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import type { Transaction } from '../../../turn.ts'
import type { DocumentReader } from '../../xdms/document-reader.ts'
import { documentAt, filledIn, type StoredDocument, type Template } from '../../xdms/documents.ts'
import { operatorRulesPath } from '../../xdms/presence-xdms/presence-rules.ts'
import { type Combining, type RuleSet, ranked, ruleSet } from './rule-set.ts'

/** RFC 5025 §9.1. */
const commonUsage = 'pres-rules'
/** OMA Presence XDM 1.1 §5.1.1. */
const omaUsage = 'org.openmobilealliance.pres-rules'
const publicationUsage = 'org.openmobilealliance.pub-rules'

/** The application usages whose documents decide about watchers. */
export const rulesUsages: ReadonlySet<string> = new Set([commonUsage, omaUsage])
/** Those whose lists rules may refer to. */
export const listUsages: ReadonlySet<string> = new Set(['resource-lists', 'org.openmobilealliance.group-usage-list'])

export const operatorRulesAddress = { auid: omaUsage, xui: '', path: operatorRulesPath }

export class RuleDocuments {
  readonly #canonical: CanonicalUri
  readonly #reader: DocumentReader
  /** By the entity-tags of the documents. An entity-tag is never given to two, so nothing here is out of date. */
  readonly #sets = new Map<string, RuleSet>()
  /** Asked for about every watcher, and hardly ever there. */
  #operatorRules: RuleSet | undefined | 'unread' = 'unread'
  /** By template, whether its rules are the same for all who have them. */
  readonly #isSame = new Map<string, boolean>()

  constructor(canonical: CanonicalUri, reader: DocumentReader) {
    this.#canonical = canonical
    this.#reader = reader
  }

  /**
   * The rules in force; undefined when there is no document, `unavailable` when they cannot be had. All documents of
   * `pres-rules` count (RFC 5025 §9.7, PS-78), or the one of OMA; who has both meant what he wrote last, and what he has been
   * given he did not write.
   */
  rulesOf(db: Transaction, presentity: string): RuleSet | undefined | 'unavailable' {
    const common = this.#reader.of(db, commonUsage, presentity)
    const oma = this.#reader.of(db, omaUsage, presentity)
    if (common === 'unavailable' || oma === 'unavailable') return 'unavailable'
    if (common.length === 0 && oma.length === 0) return undefined
    const isOma = newest(oma) >= newest(common)
    return isOma
      ? this.#set('precedence', presentity, oma, readPresenceRules)
      : this.#set('common-policy', presentity, common, readPresenceRules)
  }

  /** The operator's own rules, which go before those of all presentities (PS-92); undefined when there are none. */
  operatorRules(db: Transaction): RuleSet | undefined {
    if (this.#operatorRules === 'unread') {
      const document = documentAt(db, operatorRulesAddress)
      this.#operatorRules = document && this.#set('precedence', '', [document], readPresenceRules)
    }
    return this.#operatorRules
  }

  /** They are being changed, in a turn that asks for no rules. */
  forgetOperatorRules(): void {
    this.#operatorRules = 'unread'
  }

  /** The rules about who may publish for a presentity, or set what he is permanently (PS-112); as above. */
  publicationRulesOf(db: Transaction, presentity: string, about: Published): RuleSet | undefined | 'unavailable' {
    const documents = this.#reader.of(db, publicationUsage, presentity)
    if (documents === 'unavailable') return 'unavailable'
    if (documents.length === 0) return undefined
    return this.#set('precedence', presentity, documents, publicationReaders[about], about)
  }

  /** `about` tells apart what one document says of several things. */
  #set(
    combining: Combining,
    presentity: string,
    documents: readonly StoredDocument[],
    reader: RuleReader,
    about = '',
  ): RuleSet {
    const key = about + documents.map(document => this.#key(document, presentity)).join(' ')
    let set = this.#sets.get(key)
    if (set === undefined) {
      const rules = documents.flatMap(document => read(this.#body(document, presentity), reader, this.#canonical))
      set = ruleSet(combining, ranked(rules))
      if (this.#sets.size >= limits.ruleSetsRemembered) this.#sets.clear()
      this.#sets.set(key, set)
    }
    return set
  }

  /** Names rules that are equal: those of one template say the same of all watchers of a domain. */
  #key(document: StoredDocument, presentity: string): string {
    const { template } = document
    return template !== undefined && this.#isTheSame(template)
      ? `${template.id} ${domainOf(presentity)}`
      : document.etag
  }

  #body(document: StoredDocument, presentity: string): Uint8Array {
    const { template } = document
    if (template === undefined || !this.#isTheSame(template)) return document.body
    return Buffer.from(filledIn(template.text.replaceAll('{user}', anyPresentity), presentity))
  }

  #isTheSame(template: Template): boolean {
    let same = this.#isSame.get(template.id)
    if (same === undefined) {
      same = isSame(template)
      if (this.#isSame.size >= limits.ruleSetsRemembered) this.#isSame.clear()
      this.#isSame.set(template.id, same)
    }
    return same
  }
}

/** What is published: by PUBLISH until it expires, or by XCAP for good (RFC 4827). */
export type Published = 'publication' | 'permanent'

const publicationReaders: Readonly<Record<Published, RuleReader>> = {
  publication: readPublicationRules,
  permanent: readPermanentPresenceRules,
}

type RuleReader = (ruleset: XmlElement, canonical: CanonicalUri) => PresenceRule[]

function newest(documents: readonly StoredDocument[]): number {
  return documents.reduce(
    (instant, { modifiedAt, template }) => Math.max(instant, template === undefined ? modifiedAt : 0),
    Number.NEGATIVE_INFINITY,
  )
}

/**
 * Stands for whichever user a template names, where the rules are read once for all: what they say of himself is never asked,
 * for he sees everything (PS-93).
 */
const anyPresentity = 'sip:presentity@presentity.invalid'

/** Whether the user is named only where it matters to himself: as an identity, and not in what a rule grants. */
function isSame({ text }: Template): boolean {
  return !text.replaceAll(/<(?:[^<>\s]+:)?(?:one|except)\s+id=(["'])\{user\}\1/g, '').match(/\{(?:user|name)\}/)
}

function domainOf(user: string): string {
  return user.slice(user.lastIndexOf('@') + 1)
}

/** What cannot be read, which storing it should have prevented, grants nothing (SEC-03). */
function read(body: Uint8Array, reader: RuleReader, canonical: CanonicalUri): PresenceRule[] {
  try {
    return reader(parseXml(body, { limits: limits.xcapDocument, instructions: true }), canonical)
  } catch (error) {
    if (error instanceof XmlError) return []
    throw error
  }
}
