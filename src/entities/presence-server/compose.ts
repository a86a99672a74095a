/**
 * Composition (3GPP TS 23.141 §5.1, OMA Presence SIMPLE): one PIDF document for a presentity out of what its devices have
 * published, what it has stored for good, and what the registrar knows. A pure function: the same sources give the same
 * document, in whatever order they are given.
 */

import { formatDateTime } from '../../documents/date-time.ts'
import { omaPresenceNamespace } from '../../documents/oma-presence.ts'
import { pidfNamespace, registrationTupleId } from '../../documents/pidf.ts'
import { type PidfSummary, publishedPidf } from '../../documents/published-pidf.ts'
import { escapeAttribute } from '../../documents/xml/escape.ts'
import { defaultXmlLimits, XmlError, type XmlLimits } from '../../documents/xml/parse.ts'
import { xmlDeclaration } from '../../documents/xml/write.ts'
import type { Instant } from '../../turn.ts'
import { composeSources } from './compose/sources.ts'

/** A document that says something about the presentity: a publication, or the stored one that never expires (PS-86). */
export type PresenceSource = {
  /** Names the source and stays the same while it is refreshed and modified, so that ids made from it stay too. */
  readonly key: string
  /** `soft`: a publication; `hard`: permanent presence state (RFC 4827). */
  readonly kind: 'soft' | 'hard'
  /** As it was published, having passed `publishedPidf`. */
  readonly bytes: Uint8Array
  /** When the source first appeared; where two use the same id, the older keeps it. */
  readonly since: Instant
  /** When this document was published, a refresh not counting: the greatest is the newest. */
  readonly publishedAt: Instant
  /** What `publishedPidf` said of it; without it the document is checked again. */
  readonly summary?: PidfSummary | undefined
}

/** What the registrar, as a network agent, says (SIP-10). */
export type RegistrationReport = {
  readonly state: 'active' | 'terminated'
  readonly changedAt?: Instant | undefined
}

export type ComposeOptions = {
  readonly now: Instant
  /** Largest composed document, octets. The newest sources that fit together are used; a larger one counts for nothing. */
  readonly maximumOctets: number
  /** How a presentity of whom nothing is known is described (PS-124); `closed-tuple` unless given. */
  readonly neutral?: 'closed-tuple' | 'no-tuple' | undefined
  readonly xml?: XmlLimits | undefined
  /** Whether what is published goes before what is stored, where both speak of the same (PS-123); without it they stand side by side. */
  readonly softOverridesHard?: boolean | undefined
}

export type Composition = {
  /** A valid PIDF document; with one source that needs no change these are its own octets. */
  readonly bytes: Uint8Array
  /** When the result changes although no source does, since something in it ends (OP-11). */
  readonly changesAt: Instant | undefined
}

/** A source that can be read. */
export type CheckedSource = PresenceSource & { readonly summary: PidfSummary }

/**
 * The presence document of `presentity` (PS-80..87, OP-11, PS-124). Registration shows as a tuple of its own; it says
 * `open` only where no source says anything about availability, so that nobody who appears offline is given away.
 *
 * Does not throw: a source that cannot be read, which its publication should have prevented, is left out.
 */
export function compose(
  presentity: string,
  sources: readonly PresenceSource[],
  registration: RegistrationReport | undefined,
  options: ComposeOptions,
): Composition {
  const checked = checkedSources(sources, options)
  const neutral = () => ({ bytes: unpublished(presentity, registration, options.neutral), changesAt: undefined })
  if (checked.length === 0) return neutral()
  const network = registration && registrationTuple(registration, !checked.some(speaksOfAvailability))
  const only = checked.length === 1 ? checked[0]! : undefined
  if (only !== undefined && isCurrent(only.summary, options.now)) {
    const bytes = adapted(only, presentity, network)
    if (bytes.length <= options.maximumOctets) return { bytes, changesAt: only.summary.until || undefined }
  }
  return composeSources(presentity, checked, network, options) ?? neutral()
}

/** The sources that can be used at all. */
function checkedSources(sources: readonly PresenceSource[], options: ComposeOptions): CheckedSource[] {
  const checked: CheckedSource[] = []
  for (const source of sources) {
    if (source.bytes.length > options.maximumOctets) continue
    const summary = source.summary ?? summaryOf(source.bytes, options.xml ?? defaultXmlLimits)
    if (summary === undefined) continue
    checked.push(source.summary === undefined ? { ...source, summary } : (source as CheckedSource))
  }
  return checked
}

/** What a document that has been accepted says; undefined when it cannot be read. */
export function summaryOf(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): PidfSummary | undefined {
  try {
    return publishedPidf(bytes, limits)
  } catch (error) {
    if (error instanceof XmlError) return undefined
    throw error
  }
}

/** A person's stored icon and note say nothing of whether the person can be reached; whatever is published does. */
function speaksOfAvailability(source: CheckedSource): boolean {
  return source.kind === 'soft' || source.summary.hasTuples
}

function isCurrent(summary: PidfSummary, now: Instant): boolean {
  return summary.sendable && (summary.until === 0 || summary.until > now)
}

/** The document with its entity replaced and a tuple added, both in place. */
function adapted(source: CheckedSource, presentity: string, network: string | undefined): Uint8Array {
  const { declared, entityStart, entityEnd, tuplesEnd } = source.summary
  const bytes = asBuffer(source.bytes)
  const entity = escapeAttribute(presentity)
  const sameEntity = bytes.toString('latin1', entityStart, entityEnd) === entity
  if (sameEntity && declared && network === undefined) return source.bytes
  return Buffer.concat([
    Buffer.from(declared ? '' : xmlDeclaration),
    bytes.subarray(0, entityStart),
    Buffer.from(entity),
    bytes.subarray(entityEnd, tuplesEnd),
    Buffer.from(network === undefined ? '' : `\n${network}`),
    bytes.subarray(tuplesEnd),
  ])
}

/** RFC 3856 §6.7: the neutral document, or what registration alone tells. */
function unpublished(
  presentity: string,
  registration: RegistrationReport | undefined,
  neutral: ComposeOptions['neutral'],
): Buffer {
  let tuple = ''
  if (registration?.state === 'active') tuple = `${registrationTuple(registration, true)}\n`
  else if (neutral !== 'no-tuple') tuple = '<tuple id="unpublished"><status><basic>closed</basic></status></tuple>\n'
  return Buffer.from(
    `${xmlDeclaration}<presence xmlns="${pidfNamespace}" entity="${escapeAttribute(presentity)}">\n${tuple}</presence>\n`,
  )
}

/**
 * The tuple of the registrar (OP-04). It declares its namespaces itself, so that it fits into any document.
 *
 * COMPAT(strict readers): the schema wants a status even where there is none to tell.
 */
function registrationTuple({ state, changedAt }: RegistrationReport, alone: boolean): string {
  const status = alone && state === 'active' ? '<status><basic>open</basic></status>' : '<status/>'
  const timestamp = changedAt === undefined ? '' : `<timestamp>${formatDateTime(changedAt)}</timestamp>`
  return `<tuple xmlns="${pidfNamespace}" xmlns:op="${omaPresenceNamespace}" id="${registrationTupleId}">${status}<op:registration-state>${state}</op:registration-state>${timestamp}</tuple>`
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
