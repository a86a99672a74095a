/**
 * The registrar of the domain: REGISTER, the event package `reg`, and the life of bindings between requests (RFC 3261 §10,
 * RFC 3680, RFC 5626 §6 and §7).
 */

import { limits } from '../../limits.ts'
import { methodNotAllowed } from '../../protocols/sip/errors.ts'
import type { SipRequest, SipResponse } from '../../protocols/sip/message.ts'
import { Notifier } from '../../protocols/sip-events/notifier.ts'
import type { FlowId, Output, SipEntity, Turn } from '../../turn.ts'
import {
  type Binding,
  currentBindings,
  EXPIRY,
  endBindings,
  expireBindings,
  someRegistrations,
  storedRegistration,
} from './bindings.ts'
import { FORGETTING, forgetEnded } from './ended-bindings.ts'
import type { Home } from './home.ts'
import { register } from './register.ts'
import { registrationEvents } from './registration-events.ts'

/** The word of the wakes that look, after a restart, for bindings to connections that are gone. */
const LOST_FLOWS = 'lost-flows'

export class Registrar implements SipEntity {
  readonly notifier: Notifier
  readonly #home: Home
  /**
   * Which users have registered over a connection. Only a hint for `flowClosed`, so it need not survive a restart, which no
   * connection survives, nor a turn that failed.
   */
  readonly #users = new Map<FlowId, Set<string>>()

  /** `servedBeside`: event packages of the box other than `reg`, for Allow-Events. */
  constructor(home: Home, servedBeside: readonly string[] = []) {
    this.#home = home
    this.notifier = new Notifier({
      owner: 'registrar',
      packages: [registrationEvents(home)],
      servedBeside,
      address: transport => home.hostPort(transport === 'sips' ? 'tls' : transport),
      contactParameters: nextHop => home.contactParameters(nextHop),
    })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    if (request.method === 'SUBSCRIBE') return this.notifier.subscribe(request, turn)
    if (request.method !== 'REGISTER') throw methodNotAllowed(['REGISTER', 'SUBSCRIBE'])
    const outputs = register(request, this.#home, turn)
    this.#noteFlow(request, turn)
    return outputs
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.notifier.response(token, response, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    const [word, aor = ''] = token.split(' ')
    if (word === EXPIRY) return expireBindings(turn.db, aor, turn.now)
    if (word === FORGETTING) return forgetEnded(turn.db, aor, turn.now)
    if (word === LOST_FLOWS) return this.#endLostFlows(aor, turn)
    return this.notifier.wake(token, turn)
  }

  start(turn: Turn): Output[] {
    return [...this.notifier.start(turn), wakeForLostFlows('', turn)]
  }

  /** A connection has closed: the flows that clients had registered over it are void (RFC 5626 §7). */
  flowClosed(flow: FlowId, turn: Turn): Output[] {
    const users = this.#users.get(flow)
    if (users === undefined) return []
    this.#users.delete(flow)
    const outputs: Output[] = []
    for (const aor of users)
      outputs.push(...endFlows(aor, binding => binding.regId !== undefined && binding.flow === flow, turn))
    return outputs
  }

  #noteFlow(request: SipRequest, turn: Turn): void {
    const { flow, source } = request
    if (flow === '' || source === undefined || source.transport === 'udp') return
    const aor = this.#home.userOf(request.to.uri)
    if (aor === undefined || !currentBindings(turn.db, aor, turn.now).some(binding => binding.flow === flow)) return
    const users = this.#users.get(flow)
    if (users !== undefined) users.add(aor)
    else {
      if (this.#users.size >= 2 * limits.connections) this.#users.delete(this.#users.keys().next().value!)
      this.#users.set(flow, new Set([aor]))
    }
  }

  /** Connections do not outlive the process, so neither do the flows registered over them before it started. */
  #endLostFlows(from: string, turn: Turn): Output[] {
    const outputs: Output[] = []
    let looked = 0
    for (const { aor } of someRegistrations(turn.db, from, limits.registrationsPerTurn + 1)) {
      if (looked++ === limits.registrationsPerTurn) outputs.push(wakeForLostFlows(aor, turn))
      else outputs.push(...endFlows(aor, binding => this.#isLost(binding), turn))
    }
    return outputs
  }

  #isLost({ regId, flow }: Binding): boolean {
    return regId !== undefined && flow !== undefined && !flow.startsWith('udp:') && !this.#users.has(flow)
  }
}

function endFlows(aor: string, isVoid: (binding: Binding) => boolean, turn: Turn): Output[] {
  const registration = storedRegistration(turn.db, aor)
  if (registration === undefined || !registration.bindings.some(isVoid)) return []
  const kept = registration.bindings.filter(binding => !isVoid(binding))
  return endBindings(turn.db, aor, registration, kept, 'deactivated', turn.now)
}

function wakeForLostFlows(from: string, turn: Turn): Output {
  return { kind: 'wake', at: turn.now, token: `${LOST_FLOWS} ${from}` }
}
