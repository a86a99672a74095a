/**
 * The XDMSs as SIP entity (PRS-6, PRS-11, XDM-2): who subscribes to changes of documents is told of them, out of the same feed
 * that the other entities of the box hear (XDM-56).
 */

import { limits } from '../../../limits.ts'
import { httpAuthority } from '../../../protocols/http/authority.ts'
import { methodNotAllowed } from '../../../protocols/sip/errors.ts'
import type { SipRequest, SipResponse } from '../../../protocols/sip/message.ts'
import type { Uri } from '../../../protocols/sip/uri.ts'
import { Notifier, type NotifierOptions } from '../../../protocols/sip-events/notifier.ts'
import { checkRequire } from '../../../protocols/sip-events/request.ts'
import type { Output, SipEntity, Transaction, Turn } from '../../../turn.ts'
import type { DocumentChange } from '../documents.ts'
import { isOperator } from '../user-identifier.ts'
import type { Xdms, XdmsOptions } from '../xdms.ts'
import { keptPatch, patchBetween } from './patches.ts'
import { covers, isReadable } from './present.ts'
import {
  type ChangeRecord,
  changesFor,
  type DiffProcessing,
  documentKey,
  interestedIn,
  noteChange,
  selectionOf,
  toldTo,
} from './records.ts'
import { type ChangePackageOptions, uaProfilePackage, xcapDiffPackage } from './xcap-diff.ts'

export interface ChangeNotifierOptions extends Pick<XdmsOptions, 'userOf' | 'isUser'> {
  readonly servers: readonly Xdms[]
  /** What a Request-URI leads to. */
  placeOf(uri: Uri): 'box' | 'user' | 'elsewhere'
  /** Host and port for Contact, by transport. */
  readonly address: NotifierOptions['address']
  readonly contactParameters: NonNullable<NotifierOptions['contactParameters']>
  readonly servedBeside: readonly string[]
}

const owner = 'xdms'

export class ChangeNotifier implements SipEntity {
  readonly #notifier: Notifier
  readonly #readerOf: ChangePackageOptions['readerOf']

  constructor(options: ChangeNotifierOptions) {
    const packages = packageOptions(options)
    this.#readerOf = packages.readerOf
    this.#notifier = new Notifier({
      owner,
      packages: [xcapDiffPackage(packages), uaProfilePackage(packages)],
      servedBeside: options.servedBeside,
      address: options.address,
      contactParameters: options.contactParameters,
      limits: { subscriptionsPerResource: limits.changeSubscriptions.perUser },
    })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    checkRequire(request, ['gruu'])
    if (request.method !== 'SUBSCRIBE') throw methodNotAllowed(['SUBSCRIBE'])
    return this.#notifier.subscribe(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    const outputs = this.#notifier.response(token, response, turn)
    const [kind, packageName = '', user = '', id = ''] = token.split(' ')
    if (kind !== 'notify' || response.status < 200 || response.status > 299) return outputs
    // What had no room in the last NOTIFY.
    if (toldTo(turn.db, [user, packageName, id]).isMore)
      outputs.push(...this.#notifier.notifySubscription(packageName, user, id, turn))
    return outputs
  }

  wake(token: string, turn: Turn): Output[] {
    const [kind, packageName = '', user = '', id = ''] = token.split(' ')
    if (kind === 'changed') return this.#notifier.notifySubscription(packageName, user, id, turn)
    return this.#notifier.wake(token, turn)
  }

  start(turn: Turn): Output[] {
    return this.#notifier.start(turn)
  }

  /** The change feed: in the turn of the change, so that no version is missed; its subscribers are told in later ones. */
  documentChanged(change: DocumentChange, turn: Turn): Output[] {
    const outputs: Output[] = []
    const told = new ToldChange(change)
    for (const key of interestedIn(turn.db, change.address)) {
      const selection = selectionOf(turn.db, key)
      const about = selection?.selected.filter(one => covers(one, change.address)) ?? []
      if (about.length === 0 || !isReadable(change.address, this.#readerOf(key[0], turn))) continue
      if (about.some(({ kind }) => kind !== 'component'))
        note(told, selection!.processing, [...changesFor(turn.db, key)], noted => noteChange(turn.db, key, noted))
      const [user, packageName, id] = key
      outputs.push({ kind: 'wake', entity: owner, at: turn.now, token: `changed ${packageName} ${user} ${id}` })
    }
    return outputs
  }

  counts(db: Transaction): Record<string, number> {
    return this.#notifier.counts(db)
  }
}

function packageOptions({ servers, placeOf, userOf, isUser }: ChangeNotifierOptions): ChangePackageOptions {
  const usages = new Map(servers.flatMap(server => [...server.usages]))
  return {
    usages,
    userOf,
    isUser,
    isServed(request, turn) {
      const place = placeOf(request.requestUri)
      const user = place === 'user' ? userOf(request.uri) : undefined
      return place === 'box' || (user !== undefined && isUser(turn, user))
    },
    authority: ({ settings }) => httpAuthority(settings),
    readerOf: (user, { settings }) => ({
      usages,
      identity: { user, identities: [user], isOperator: isOperator(user, settings, userOf) },
    }),
  }
}

/** A change as its subscribers may want it told: what is costly to find out is found out once for all of them. */
class ToldChange {
  readonly change: DocumentChange
  #before: { readonly version: Buffer | undefined } | undefined
  #patch: { readonly patch: ReturnType<typeof patchBetween> } | undefined

  constructor(change: DocumentChange) {
    this.change = change
  }

  /** The version before, as it was written. */
  before(): Buffer | undefined {
    if (this.#before === undefined) {
      const text = this.change.before?.()?.source?.text
      this.#before = { version: text === undefined ? undefined : Buffer.from(text) }
    }
    return this.#before.version
  }

  patch(): ReturnType<typeof patchBetween> {
    if (this.#patch === undefined) {
      const [old, changed] = [this.change.before?.(), this.change.after?.()]
      this.#patch = { patch: old && changed && patchBetween(old, changed) }
    }
    return this.#patch.patch
  }
}

/** Keeps of a change what its subscriber wants to be told, as far as there is room; what is missing he has to fetch. */
function note(
  told: ToldChange,
  processing: DiffProcessing,
  noted: readonly ChangeRecord[],
  keep: (change: ChangeRecord) => void,
): void {
  if (processing === 'no-patching' || noted.length >= limits.changeSubscriptions.changes) return
  const { address, previousEtag, etag } = told.change
  const document = documentKey(address)
  const change = { document, previousEtag, etag }
  const room = limits.changeSubscriptions.changeOctets - noted.reduce((sum, one) => sum + octetsOf(one), 0)
  if (processing === 'aggregate') {
    if (previousEtag === undefined || noted.some(one => one.document === document)) return
    const version = told.before()
    if (version !== undefined && version.length <= room) keep({ ...change, before: version })
    return
  }
  const patch = told.patch()
  keep(patch !== undefined && patch.length <= room ? { ...change, patch: keptPatch(patch) } : change)
}

function octetsOf({ patch, before }: ChangeRecord): number {
  return (patch?.operations.length ?? 0) + (before?.length ?? 0)
}
