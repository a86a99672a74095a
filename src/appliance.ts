/**
 * The assembled unit without I/O: the SIP stack below, the functional entities above, and the turn loop between them. An
 * input arrives, one entity handles it in one turn, the turn commits, its outputs leave. Simulation builds many of these
 * in one process.
 */

import { hash } from 'node:crypto'
import { AwaitingRequests } from './awaiting.ts'
import { OurAuthority } from './entities/aggregation-proxy/our-authority.ts'
import { presenceWakes } from './entities/presence-server/wakes.ts'
import { isUser, listUsers } from './entities/sip-ip-core/accounts.ts'
import { Admission } from './entities/sip-ip-core/authenticate.ts'
import { Home } from './entities/sip-ip-core/home.ts'
import { assertedIdentity } from './entities/sip-ip-core/identity.ts'
import { towardsOwnInstance } from './entities/sip-ip-core/location.ts'
import { furnishUsers } from './entities/xdms/default-documents.ts'
import { DocumentsAwaited } from './entities/xdms/document-reader.ts'
import { type Entities, functionalEntities } from './functional-entities.ts'
import { limits } from './limits.ts'
import { HttpRefusal, internalServerError, refusalResponse } from './protocols/http/errors.ts'
import type { HttpAnswer, HttpRequest, HttpResponse, OutgoingHttpRequest } from './protocols/http/message.ts'
import { sipOptions } from './protocols/sigcomp/index.ts'
import { badRequest, loopDetected, ParseError, SipRefusal, serverInternalError } from './protocols/sip/errors.ts'
import type { Flow } from './protocols/sip/flow.ts'
import { refuse, type SipRequest, type SipResponse } from './protocols/sip/message.ts'
import { type DnsRecord, type Listening, SipStack, type StackOutput } from './protocols/sip/stack.ts'
import type { Uri } from './protocols/sip/uri.ts'
import { asksForCompressionAs } from './protocols/sip-sigcomp/asked.ts'
import {
  type CompressionCounters,
  type CompressionOptions,
  type Effect,
  SipCompression,
} from './protocols/sip-sigcomp/compression.ts'
import { type Route, routeOf } from './routing.ts'
import type { Settings } from './settings/table.ts'
import type { Entity, EntityName, Instant, Output, Random, SipEntityName, Store, Transaction, Turn } from './turn.ts'
import { type Wake, Wakes } from './wakes.ts'

/** What the platform does for the stack: write, connect, close, resolve. */
export type StackTransmit = Extract<StackOutput, { kind: 'send' | 'connect' | 'close' | 'resolve' }>

/** What the platform does for HTTP: ask others, whose answers come back by `answered`, and answer what was put off. */
export type HttpTransmit =
  | { readonly kind: 'http'; readonly token: string; readonly request: OutgoingHttpRequest }
  | { readonly kind: 'answer'; readonly exchange: string; readonly response: HttpResponse }

export type Transmit = StackTransmit | HttpTransmit

/** An output that waits for the commit of its turn; `name` is its token together with whose it is, '' where it has none. */
export interface HeldOutput {
  readonly output: Exclude<Output, { kind: 'wake' }>
  readonly name: string
}

/** What turns have asked for since the last commit; to be released once that commit is safe, and dropped if it never is. */
export interface Batch {
  readonly outputs: readonly HeldOutput[]
  readonly transmits: readonly Transmit[]
}

/** Where faults of our own and remarkable events are told. */
export interface ApplianceLog {
  fault(where: string, error: unknown): void
  /** A trouble of this name has begun, or with `text` undefined is over. */
  alarm(name: string, text: string | undefined): void
}

export interface ApplianceOptions {
  readonly store: Store
  readonly random: Random
  /** The settings as they are now; read anew at every turn. */
  readonly settings: () => Settings
  /** Keys fingerprints: at least 128 bits that others cannot guess; the same at every start of this box. */
  readonly secret: string
  readonly listening: readonly Listening[]
  /** Addresses of the machine, for listening points that take any. */
  readonly addresses?: readonly string[]
  readonly log: ApplianceLog
  /** Whether the disk has no room left for documents, as it is at this moment; without it there is always room. */
  readonly diskIsFull?: () => boolean
  /** The Route values by which another domain is reached; without it, or undefined, that domain is not served. */
  readonly routeTo?: (domain: string) => readonly string[] | undefined
}

/** Counts since start, for status and telemetry. */
export interface ApplianceCounters {
  turns: number
  refusals: number
  faults: number
}

export class Appliance {
  /** Troubles that stand, by name. */
  readonly alarms = new Map<string, string>()
  readonly counters: ApplianceCounters = { turns: 0, refusals: 0, faults: 0 }
  readonly stack: SipStack
  readonly entities: Entities
  readonly #options: ApplianceOptions
  readonly #compression: SipCompression | undefined
  readonly #home: Home
  readonly #admission: Admission
  readonly #wakes: Wakes
  readonly #awaiting = new AwaitingRequests()
  readonly #ourAuthority: OurAuthority
  /** Requests in progress, or about to be: `entity token`. */
  readonly #inProgress = new Set<string>()
  #outputs: HeldOutput[] = []
  #transmits: Transmit[] = []
  /** Whether turns were taken, or something waits to leave, since the last commit. */
  #isTouched = false

  constructor(options: ApplianceOptions) {
    const { domain, sigcomp } = options.settings()
    // The box is the same application to its peers after a restart, as long as they keep its contacts (RFC 5049 §9.1).
    const asking = sigcomp.enabled ? asksForCompressionAs(`sigcomp ${options.secret}`) : { uri: '', via: '' }
    const home = new Home({
      domain,
      listening: options.listening,
      addresses: options.addresses ?? [],
      compression: asking.uri,
    })
    this.#compression = sigcomp.enabled ? new SipCompression(compressionOptions(sigcomp)) : undefined
    this.#options = options
    this.#home = home
    this.#ourAuthority = new OurAuthority(home)
    // Which nonces were used is forgotten at a restart, so those of an earlier start must not count.
    this.#admission = new Admission(home, `${options.secret}${options.random.token(22)}`)
    this.#wakes = new Wakes(options.store)
    this.stack = new SipStack({
      random: options.random,
      listening: options.listening,
      limits: limits.sip,
      compression: asking.via,
    })
    this.entities = functionalEntities(options, home)
  }

  /**
   * Answers one HTTP request: for an object the Content Server (PRS-13, PRS-14), else the Aggregation Proxy (XDM-3). The answer
   * may leave when all that was put in so far has been committed; reading puts in nothing. Undefined when others are asked
   * first: then the answer leaves as an `answer` to `exchange`, which no other request in progress may be called.
   */
  http(request: HttpRequest, exchange: string, now: Instant): HttpResponse | undefined {
    const isReading = request.method === 'GET' || request.method === 'HEAD'
    const wasTouched = this.#isTouched
    let response: HttpResponse | undefined
    try {
      this.#ourAuthority.require(request, this.#options.settings())
      const entity = this.entities['content-server'].serves(request, this.#options.settings())
        ? 'content-server'
        : 'aggregation-proxy'
      this.#turn(entity, now, turn => {
        const handled = this.entities[entity].handle(request, exchange, turn)
        response = handled.response
        return [...handled.outputs]
      })
      if (isReading && response !== undefined) this.#isTouched = wasTouched
      return response
    } catch (error) {
      this.#isTouched = wasTouched
      if (error instanceof HttpRefusal) {
        this.counters.refusals++
        return refusalResponse(error)
      }
      this.counters.faults++
      this.#options.log.fault(`HTTP ${request.method}`, error)
      return refusalResponse(internalServerError())
    }
  }

  /** What became of an HTTP request that the platform was given under `token`. */
  answered(token: string, answer: HttpAnswer, now: Instant): void {
    const [name, own] = this.#finished(token)
    this.#undisturbed(name, now, turn => (this.entities[name] as Entity).httpResponse?.(own, answer, turn) ?? [])
    if (name === 'xdm-client') for (const request of this.#awaiting.all()) this.#request(request, now, true)
  }

  /** The box has (re)started: each entity takes up what a restart has cut short. */
  start(now: Instant): void {
    this.#undisturbed('registrar', now, turn => {
      const isChanged = furnishUsers(turn, () => [...listUsers(turn.db)].map(({ aor }) => aor), isUser)
      return isChanged ? [presenceWakes.policiesChanged(turn.now)] : []
    })
    for (const [name, entity] of this.#all())
      if (entity.start) this.#undisturbed(name, now, turn => entity.start!(turn))
  }

  /** One datagram, or the next octets of a connection. */
  receive(bytes: Buffer, flow: Flow, now: Instant): void {
    const read = (text: Buffer): void => this.#take(this.stack.received(text, flow, now), now)
    if (this.#compression === undefined) read(bytes)
    else this.#carryOut(this.#compression.received(bytes, flow, now, read), now)
  }

  /** A connection asked for, or accepted, stands. */
  connected(connection: string, flow: Flow, now: Instant): void {
    this.#compression?.connected(flow)
    this.#take(this.stack.connected(connection, flow, now), now)
  }

  /** A connection ended, or an attempt at one failed. */
  disconnected(connection: string, reason: string, now: Instant): void {
    this.#compression?.disconnected(connection)
    this.#take(this.stack.disconnected(connection, reason, now), now)
    for (const [name, entity] of this.#all())
      if (entity.flowClosed) this.#undisturbed(name, now, turn => entity.flowClosed!(connection, turn))
  }

  /** The answer to a `resolve`. */
  resolved(query: string, records: readonly DnsRecord[] | undefined, now: Instant): void {
    this.#take(this.stack.resolved(query, records, now), now)
  }

  /** Time has passed: timers of the stack and stored wakes that are due. */
  expire(now: Instant): void {
    this.#take(this.stack.expire(now), now)
    if (this.#compression !== undefined) this.#carryOut(this.#compression.expire(now), now)
    for (const request of this.#awaiting.late(now)) this.#request(request, now, true)
    this.#wakes.collect(now, limits.wakesPerTick)
  }

  /** When to call `expire` next. */
  deadline(): Instant | undefined {
    const [stack, wakes, compression] = [this.stack.deadline(), this.#wakes.deadline, this.#compression?.deadline()]
    const awaiting = this.#awaiting.deadline()
    const next = Math.min(stack ?? never, wakes ?? never, compression ?? never, awaiting ?? never)
    return next === never ? undefined : next
  }

  /** Whether anything waits for `commit`. */
  pending(): boolean {
    return this.#isTouched || this.#wakes.areDue || this.entities['xdm-client'].hasWants
  }

  /** Administration is a turn like any other: what it asks for leaves with the next commit. Throws what `work` throws. */
  administer<T>(entity: EntityName, now: Instant, work: (turn: Turn) => { result: T; outputs: Output[] }): T {
    let result: T
    this.#turn(entity, now, turn => {
      const done = work(turn)
      result = done.result
      return done.outputs
    })
    return result!
  }

  /**
   * Fires the wakes that are due, then makes every turn so far safe. Resolves to what may then leave, by `release`. Calls
   * may overlap; batches resolve in order. Rejects when the store has failed: the process must end.
   */
  async commit(now: Instant): Promise<Batch> {
    // What was read, be it in a turn that came to nothing, and is elsewhere.
    if (this.entities['xdm-client'].hasWants) this.#wakes.now({ entity: 'xdm-client', token: 'wanted' })
    for (let fired = 0; fired < limits.wakesPerTick; fired++) {
      const wake = this.#wakes.take()
      if (wake === undefined) break
      this.#undisturbed(wake.entity, now, turn => this.entities[wake.entity].wake(wake.token, turn))
    }
    this.#wakes.keep(now)
    const batch: Batch = { outputs: this.#outputs, transmits: this.#transmits }
    this.#isTouched = false
    this.#outputs = []
    this.#transmits = []
    await this.#options.store.committed()
    return batch
  }

  /** Lets a committed batch go: answers and requests enter their transactions. Returns what the platform is to do. */
  release(batch: Batch, now: Instant): Transmit[] {
    this.#transmits.push(...batch.transmits)
    for (const held of batch.outputs) this.#take(this.#apply(held, now), now)
    const transmits = this.#transmits
    this.#transmits = []
    return transmits
  }

  /** Counts of what was compressed, and how much is held for it; undefined when that is switched off. */
  get compression(): { counters: CompressionCounters; compartments: number; states: number } | undefined {
    return this.#compression && { counters: this.#compression.counters, ...this.#compression.sizes }
  }

  #all(): Array<[EntityName, Entity]> {
    return Object.entries(this.entities) as Array<[EntityName, Entity]>
  }

  #apply({ output, name }: HeldOutput, now: Instant): StackOutput[] {
    switch (output.kind) {
      case 'respond':
        return this.stack.respond(output.transaction, output.response, now)
      case 'request':
        return this.stack.request(output.request, name, output.flow, now)
      case 'cancel':
        return this.stack.cancel(name, now)
      case 'ack':
        return this.stack.ack(output.request, output.flow, now)
      case 'http':
        this.#transmits.push({ ...output, token: name })
        return []
      case 'answer':
        this.#transmits.push(output)
        return []
      case 'alarm':
        this.alarm(output.name, output.text)
        return []
    }
  }

  #take(outputs: readonly StackOutput[], now: Instant): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'request':
          this.#request(output.request, now)
          break
        case 'response':
          this.#response(output.token, output.response, now)
          break
        case 'cancel':
          this.#undisturbed('proxy', now, turn => this.entities.proxy.cancel(output.transaction, turn))
          break
        case 'send': {
          const bytes = this.#compression ? this.#compression.leaving(output.bytes, output.flow, now) : output.bytes
          if (bytes !== undefined) this.#transmit(bytes === output.bytes ? output : { ...output, bytes })
          break
        }
        default:
          this.#transmit(output)
      }
    }
  }

  #carryOut(effects: readonly Effect[], now: Instant): void {
    for (const effect of effects) {
      if (effect.kind === 'send') this.#transmit(effect)
      else this.#take(this.stack.lost(effect.flow, now), now)
    }
  }

  #transmit(transmit: Transmit): void {
    this.#transmits.push(transmit)
    this.#isTouched = true
  }

  /** `again`: it has been admitted, and has waited since. */
  #request(request: SipRequest, now: Instant, again = false): void {
    let route: Route
    try {
      route = routeOf(request, this.#home, uri => this.#isList(uri))
    } catch (error) {
      this.#refuse(request, error, now)
      return
    }
    const entity = this.entities[route.entity]
    try {
      this.#turn(route.entity, now, turn => {
        if (!again) {
          this.#admission.admit(request, route.asks, turn)
          this.#compression?.admitted(request, () => assertedIdentity(request), now)
          // RFC 3261 §8.2.2.2. What is to be forwarded may come by several ways.
          if (route.entity !== 'proxy' && this.stack.isMerged(request.transaction)) throw loopDetected()
        }
        return entity.request(request, turn)
      })
      if (again) this.#awaiting.end(request)
    } catch (error) {
      if (error instanceof DocumentsAwaited && this.#awaiting.keep(request, now)) return
      this.#awaiting.end(request)
      this.#refuse(request, error, now)
    }
  }

  #isList(uri: Uri): boolean {
    const { store, settings } = this.#options
    return store.transact(db => this.entities['resource-list-server'].isList(uri, { db, settings: settings() }))
  }

  #response(stackToken: string, response: SipResponse, now: Instant): void {
    this.#compression?.answered(response, now)
    const [name, token] = response.status >= 200 ? this.#finished(stackToken) : split(stackToken)
    this.#undisturbed(name, now, turn => this.entities[name as SipEntityName].response(token, response, turn))
  }

  /** A trouble of this name has begun, or with `text` undefined is over. */
  alarm(name: string, text: string | undefined): void {
    if ((this.alarms.get(name) === undefined) === (text === undefined)) return
    if (text === undefined) this.alarms.delete(name)
    else this.alarms.set(name, text)
    this.#options.log.alarm(name, text)
  }

  /** Whose request has had its final response, and his own token for it. */
  #finished(token: string): [EntityName, string] {
    this.#inProgress.delete(token)
    return split(token)
  }

  /** One turn in one transaction; what it throws has left no trace and passes on. */
  #turn(name: EntityName, now: Instant, work: (turn: Turn) => Output[]): void {
    this.counters.turns++
    this.#isTouched = true
    const outputs = this.#options.store.transact(db => {
      const turn = new ApplianceTurn(this.#options, this.#inProgress, name, now, db)
      const outputs = work(turn)
      let others: Output[] | undefined
      for (const [place, output] of outputs.entries()) {
        if (output.kind === 'wake' && output.at > now) this.#wakes.put(db, output.at, wakeOf(name, output))
        if (output.kind !== 'request' || name === 'proxy') continue
        // COMPAT(linphone): once granted a GRUU it subscribes with it as Contact, so the box calls itself.
        const flow = towardsOwnInstance(output.request, output.flow, this.#home, turn)
        if (flow === output.flow) continue
        others ??= outputs.slice()
        others[place] = { ...output, flow }
      }
      return others ?? outputs
    })
    for (const output of outputs) {
      if (output.kind !== 'wake') {
        const held = { output, name: 'token' in output ? `${name} ${output.token}` : '' }
        if (output.kind === 'request' || output.kind === 'http') this.#inProgress.add(held.name)
        this.#outputs.push(held)
      } else if (output.at > now) this.#wakes.noted(output.at)
      else this.#wakes.now(wakeOf(name, output))
    }
  }

  /** A turn that nobody waits for: a fault in it is counted and told, and the box goes on. */
  #undisturbed(name: EntityName, now: Instant, work: (turn: Turn) => Output[]): void {
    try {
      this.#turn(name, now, work)
    } catch (error) {
      this.counters.faults++
      this.#options.log.fault(name, error)
    }
  }

  /** A request ends with the status its refusal names; a fault of ours is a 500 (RFC 3261 §21.5.1). An ACK is never answered. */
  #refuse(request: SipRequest, error: unknown, now: Instant): void {
    let refusal: SipRefusal
    if (error instanceof SipRefusal) {
      this.counters.refusals++
      refusal = error
    } else if (error instanceof ParseError) {
      this.counters.refusals++
      refusal = badRequest(error.message)
    } else {
      this.counters.faults++
      this.#options.log.fault(request.method, error)
      refusal = serverInternalError()
    }
    if (request.method === 'ACK') return
    this.#take(
      this.stack.respond(request.transaction, refuse(request, refusal, this.#options.random.token(8)), now),
      now,
    )
  }
}

/** `entity token` into its parts. */
function split(token: string): [EntityName, string] {
  const space = token.indexOf(' ')
  return [token.slice(0, space) as EntityName, token.slice(space + 1)]
}

/** Later than any deadline. */
const never = Number.POSITIVE_INFINITY

function compressionOptions(settings: Settings['sigcomp']): CompressionOptions {
  const { decompressionMemory, stateMemory, cyclesPerBit, compartments } = settings
  return {
    endpoint: {
      ...sipOptions,
      decompressionMemorySize: decompressionMemory,
      stateMemorySize: stateMemory,
      cyclesPerBit,
      messageLimit: limits.decompressedOctets,
      peerStateLimit: limits.peerStateOctets,
    },
    limits: { ...limits.sigcomp, compartments },
  }
}

function wakeOf(name: EntityName, output: Extract<Output, { kind: 'wake' }>): Wake {
  return { entity: output.entity ?? name, token: output.token }
}

class ApplianceTurn implements Turn {
  readonly now: Instant
  readonly db: Transaction
  readonly random: Random
  readonly settings: Settings
  readonly #diskIsFull: (() => boolean) | undefined
  readonly #secret: string
  readonly #inProgress: ReadonlySet<string>
  readonly #entity: EntityName

  constructor(
    options: ApplianceOptions,
    inProgress: ReadonlySet<string>,
    entity: EntityName,
    now: Instant,
    db: Transaction,
  ) {
    this.now = now
    this.db = db
    this.random = options.random
    this.settings = options.settings()
    this.#diskIsFull = options.diskIsFull
    this.#secret = options.secret
    this.#inProgress = inProgress
    this.#entity = entity
  }

  get diskIsFull(): boolean {
    return this.#diskIsFull?.() ?? false
  }

  inProgress(token: string): boolean {
    return this.#inProgress.has(`${this.#entity} ${token}`)
  }

  fingerprint(...parts: readonly string[]): string {
    // The secret leads and the digest is cut to a quarter, so that no one without it can extend or predict one.
    return `f${hash('sha256', `${this.#secret}${parts.join('\0')}`, 'hex').slice(0, 16)}`
  }
}
