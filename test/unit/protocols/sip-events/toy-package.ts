/** An event package for tests of the notifier alone: resources are counters. */

import { forbidden, notFound, SipRefusal } from '../../../../src/protocols/sip/errors.ts'
import type { SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { addressOfRecord } from '../../../../src/protocols/sip/uri.ts'
import type { EventPackage, Watcher } from '../../../../src/protocols/sip-events/event-package.ts'
import { Notifier, type NotifierLimits } from '../../../../src/protocols/sip-events/notifier.ts'
import type { Output, SipEntity, Turn } from '../../../../src/turn.ts'
import { EntityWorld } from './entity-world.ts'

export const counter = 'sip:counter@box.example'

export interface Toy {
  value: number
  decision: 'active' | 'pending' | 'forbidden' | 'gone'
  intervalMs: number
  made: number
  readonly watchers: Watcher[]
  unwatched: number
}

export class CounterWorld extends EntityWorld {
  readonly toy: Toy

  constructor(limits: Partial<NotifierLimits> = {}) {
    const toy: Toy = { value: 0, decision: 'active', intervalMs: 0, made: 0, watchers: [], unwatched: 0 }
    super(() => new Counters(toy, limits))
    this.toy = toy
  }

  subscribe(options: { headers?: [string, string][]; uri?: string; from?: string; cseq?: number } = {}): SipResponse {
    const { headers = [], uri = counter, from = 'sip:bob@box.example' } = options
    return this.request('SUBSCRIBE', uri, {
      from,
      ...(options.cseq === undefined ? {} : { cseq: options.cseq }),
      headers: headers.some(([name]) => name === 'Event') ? headers : [['Event', 'counter'], ...headers],
    })
  }

  /** Another SUBSCRIBE in the dialog of `accepted`. */
  refresh(accepted: SipResponse, headers: [string, string][] = [], cseq = accepted.cseq.number + 1): SipResponse {
    return this.request('SUBSCRIBE', accepted.header('Contact')!.slice(1, -1), {
      cseq,
      headers: [
        ['From', accepted.header('From')!],
        ['To', accepted.header('To')!],
        ['Call-ID', accepted.callId],
        ...(headers.some(([name]) => name === 'Event') ? [] : [['Event', 'counter'] as const]),
        ...headers,
      ],
    })
  }

  count(): void {
    this.toy.value++
    this.act(turn => (this.entity as Counters).notifier.notifyResource('counter', counter, turn))
  }

  subscriptions(): number {
    return this.read(db => (this.entity as Counters).notifier.counts(db).counter ?? 0)
  }

  /** The bodies of what was sent since `index`. */
  bodies(index = 0): string[] {
    return this.sent.slice(index).map(({ request }) => Buffer.from(request.body).toString())
  }
}

class Counters implements SipEntity {
  readonly notifier: Notifier

  constructor(toy: Toy, limits: Partial<NotifierLimits>) {
    const eventPackage: EventPackage = {
      name: 'counter',
      contentTypes: ['text/plain', 'text/html'],
      defaultExpiresSeconds: 3600,
      waitingMs: 1_000_000,
      expiresBounds: () => ({ minSeconds: 60, maxSeconds: 7200 }),
      minNotifyIntervalMs: () => toy.intervalMs,
      exists: () => toy.decision !== 'gone',
      resource(request) {
        const resource = addressOfRecord(request.requestUri)
        if (!resource.startsWith('sip:counter')) throw notFound()
        return resource
      },
      authorize() {
        if (toy.decision === 'gone') throw new SipRefusal(404)
        if (toy.decision === 'forbidden') throw forbidden()
        return toy.decision
      },
      body(subscription, _turn, { shared }) {
        let body = shared.get('counter') as Buffer | undefined
        if (body === undefined) {
          toy.made++
          body = Buffer.from(String(toy.value))
          shared.set('counter', body)
        }
        return { contentType: this.contentTypes[subscription.record.contentType]!, body }
      },
      watcherChanged(_resource, watcher) {
        toy.watchers.push(watcher)
        return []
      },
      unwatched() {
        toy.unwatched++
      },
    }
    const other: EventPackage = { ...eventPackage, name: 'other', contentTypes: ['text/other'] }
    this.notifier = new Notifier({
      owner: 'counters',
      packages: [eventPackage, other],
      address: () => '192.0.2.1:5060',
      limits,
    })
  }

  request(request: SipRequest, turn: Turn): Output[] {
    return this.notifier.subscribe(request, turn)
  }

  response(token: string, response: SipResponse, turn: Turn): Output[] {
    return this.notifier.response(token, response, turn)
  }

  wake(token: string, turn: Turn): Output[] {
    return this.notifier.wake(token, turn)
  }

  start(turn: Turn): Output[] {
    return this.notifier.start(turn)
  }
}
