/** A simulated box where Bob keeps a list of Alice and Carol, for the tests of lists. */

import assert from 'node:assert/strict'
import { putList, putServices, type Service } from '../../actors/list-owner.ts'
import type { Subscription, Wishes } from '../../actors/watcher.ts'
import { SimulatedWorld, type SimulatedWorldOptions } from '../../simulation/world.ts'

export const alice = 'sip:alice@box.example'
export const bob = 'sip:bob@box.example'
export const carol = 'sip:carol@box.example'
export const friends = 'sip:friends@box.example'

export class ListWorld extends SimulatedWorld {
  constructor(settings: SimulatedWorldOptions['settings'] = [], listener?: SimulatedWorldOptions['listener']) {
    super({ seed: 7, settings, ...(listener && { listener }) })
    for (const name of ['Alice', 'Bob', 'Carol']) this.person(name)
  }

  /** Bob's list, under `sip:friends@box.example` unless said otherwise. */
  static async of(
    entries: readonly string[] = [alice, carol],
    services: readonly Service[] = [{ uri: friends }],
    settings: SimulatedWorldOptions['settings'] = [],
    listener?: SimulatedWorldOptions['listener'],
  ): Promise<ListWorld> {
    const world = new ListWorld(settings, listener)
    await world.keep('Bob', entries, services)
    return world
  }

  async keep(name: string, entries: readonly string[], services: readonly Service[] = []): Promise<void> {
    const status = await putList(this, name, entries)
    assert.ok(status === 201 || status === 200, `the list was answered ${status}`)
    if (services.length === 0) return
    const stored = await putServices(this, name, services)
    assert.ok(stored === 201 || stored === 200, `the services were answered ${stored}`)
  }

  /** Subscribes to a list and waits until all is quiet. */
  async watch(
    name = 'Bob',
    uri = friends,
    { event = 'presence', expires = 3600, ...wishes }: Wishes & { event?: string; expires?: number } = {},
  ): Promise<Subscription> {
    const { watcher } = this.person(name)
    const subscription = watcher.subscribe(uri, event, expires, this.now(), { toList: true, ...wishes })
    await this.quiet()
    return subscription
  }

  async publish(name: string, basic: 'open' | 'closed', note?: string): Promise<void> {
    const { source } = this.person(name)
    const exchange = source.entityTag
      ? source.modify(basic, note, 3600, this.now())
      : source.publish(basic, note, 3600, this.now())
    await this.quiet()
    assert.equal(exchange.final?.status, 200)
  }

  async refresh(subscription: Subscription, expires = 3600, name = 'Bob'): Promise<number | undefined> {
    const exchange = this.person(name).watcher.refresh(subscription, expires, this.now())
    await this.quiet()
    return exchange.final?.status
  }

  /** What the rules of somebody say of the watchers named. */
  async rules(name: string, handling: Readonly<Record<string, string>>): Promise<void> {
    const rules = Object.entries(handling).map(
      ([watcher, sub], at) =>
        `<rule id="r${at}"><conditions><identity><one id="${watcher}"/></identity></conditions><actions><sub-handling xmlns="urn:ietf:params:xml:ns:pres-rules">${sub}</sub-handling></actions>` +
        `<transformations><provide-services xmlns="urn:ietf:params:xml:ns:pres-rules"><all-services/></provide-services><provide-all-attributes xmlns="urn:ietf:params:xml:ns:pres-rules"/></transformations></rule>`,
    )
    const document = `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy">${rules.join('')}</ruleset>`
    const target = `/xcap-root/pres-rules/users/${this.person(name).aor}/index`
    const status = await this.put(name, target, 'application/auth-policy+xml', document)
    assert.ok(status === 201 || status === 200, `the rules were answered ${status}`)
    await this.quiet()
  }

  /** No watcher has seen anything that must not be. */
  check(): void {
    for (const { watcher } of this.people())
      for (const { faults, resource } of watcher.subscriptions) assert.deepEqual(faults, [], resource)
    assert.deepEqual(this.faults, [])
  }
}
