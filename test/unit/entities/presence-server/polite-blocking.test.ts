/**
 * Polite blocking (RFC 5025 §3.2.1, PS-100, SEC-07): octet by octet and at the same instants a blocked watcher gets what one gets
 * of somebody who has gone, in whatever form he is told and whenever he asks again.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { putDocument } from '../../../../src/entities/xdms/documents.ts'
import type { HeaderField, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { alice, bob, PresenceWorld } from './presence-world.ts'
import { one, rule, ruleset } from './rules/rules-of.ts'

const rich =
  '<tuple id="t1"><status><basic>open</basic></status><note>here</note></tuple>' +
  '<dm:person id="p"><r:activities><r:away/></r:activities></dm:person>'
const everything =
  '<provide-services><all-services/></provide-services><provide-persons><all-persons/></provide-persons><provide-all-attributes/>'
const some = '<provide-services><all-services/></provide-services><provide-note>true</provide-note>'

class World extends PresenceWorld {
  /** When each message to the watcher left, and its octets. */
  readonly told: string[] = []
  #tag: string | undefined
  #etag = 0

  constructor(allowed: string) {
    super({ 'presence.minNotifyIntervalSeconds': 5 })
    this.write(rule(one(bob), 'allow', allowed))
    this.publishRich()
  }

  write(rules: string): void {
    const etag = `e${++this.#etag}`
    const address = { auid: 'pres-rules', xui: alice, path: 'index' }
    this.act(turn => {
      putDocument(turn.db, address, { etag, body: Buffer.from(ruleset(rules)), modifiedAt: turn.now })
      return this.server.documentChanged({ address, previousEtag: undefined, etag }, turn)
    })
  }

  publishRich(content = rich): void {
    const answer = this.request('PUBLISH', alice, {
      headers: [
        ['Event', 'presence'],
        ['Content-Type', 'application/pidf+xml'],
        ...(this.#tag === undefined ? [] : [['SIP-If-Match', this.#tag] as const]),
      ],
      body: `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="${alice}">${content}</presence>`,
    })
    this.#tag = answer.header('SIP-ETag')!
  }

  leave(): void {
    this.publish(undefined, { tag: this.#tag, expires: 0 })
    this.#tag = undefined
  }

  /** Lets time pass second by second, and notes what left. */
  rest(seconds: number): void {
    for (let passed = 0; passed < seconds; passed += 1) {
      this.pass(1)
      this.note()
    }
  }

  note(): void {
    for (const { request } of this.sent.slice(this.told.length))
      this.told.push(`${this.now}\n${request.toBytes().toString('latin1')}`)
  }
}

interface Form {
  readonly name: string
  readonly headers?: readonly HeaderField[]
  readonly body?: string
}

const filterSet = (content: string) =>
  `<?xml version="1.0"?><filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/></ns-bindings><filter id="f">${content}</filter></filter-set>`
const filtered: readonly HeaderField[] = [['Content-Type', 'application/simple-filter+xml']]

const forms: readonly Form[] = [
  { name: 'whole documents' },
  { name: 'partial documents', headers: [['Accept', 'application/pidf+xml, application/pidf-diff+xml']] },
  { name: 'deflated', headers: [['Accept-Encoding', 'deflate']] },
  { name: 'by reference', headers: [['Accept', 'application/pidf+xml, message/external-body']] },
  { name: 'at least so often', headers: [['Event', 'presence;min-rate=0.05']] },
  { name: 'at most so often', headers: [['Event', 'presence;max-rate=0.1']] },
  {
    name: 'through a filter',
    headers: filtered,
    body: filterSet('<what><include>//p:tuple/p:status</include></what>'),
  },
  {
    name: 'through a filter that leaves nothing',
    headers: filtered,
    body: filterSet('<what><include>//p:nothing</include></what>'),
  },
  { name: 'on some changes', headers: filtered, body: filterSet('<trigger><changed>//p:basic</changed></trigger>') },
  { name: 'on other changes', headers: filtered, body: filterSet('<trigger><changed>//p:note</changed></trigger>') },
]

/** A day of a watcher's; in the middle of it the presentity goes, or hides. */
function play(world: World, { headers = [], body = '' }: Form, go: () => void, afterwards: () => void): string[] {
  const answers: SipResponse[] = []
  const ask = (more: readonly HeaderField[], within?: SipResponse, later = 0): SipResponse => {
    const isGiven = headers.some(([name]) => name === 'Event')
    const dialog: HeaderField[] =
      within === undefined
        ? []
        : [
            ['From', within.header('From')!],
            ['To', within.header('To')!],
            ['Call-ID', within.callId],
          ]
    const to = within === undefined ? alice : within.header('Contact')!.slice(1, -1)
    const answer = world.request('SUBSCRIBE', to, {
      ...(within === undefined ? { from: bob } : { cseq: within.cseq.number + later }),
      headers: [...dialog, ...(isGiven ? [] : [['Event', 'presence'] as const]), ...headers, ...more],
      body,
    })
    assert.ok(answer.status < 300, `${answer.status} ${answer.reason}`)
    answers.push(answer)
    world.note()
    return answer
  }
  const dialog = ask([['Expires', '3600']])
  world.rest(1)
  go()
  world.rest(60)
  const known = world.sent.at(-1)!.request.header('SIP-ETag')!
  ask([['Expires', '3600']], dialog, 1)
  afterwards()
  world.rest(60)
  ask(
    [
      ['Expires', '3600'],
      ['Suppress-If-Match', known],
    ],
    dialog,
    3,
  )
  ask([['Expires', '0']])
  ask([
    ['Expires', '600'],
    ['Suppress-If-Match', known],
  ])
  afterwards()
  world.rest(30)
  ask([['Expires', '0']], dialog, 3)
  // Another watch, begun when nobody is there.
  ask([['Expires', '600']])
  world.rest(660)
  return [...world.told, ...answers.map(answer => answer.toBytes().toString('latin1'))].map(renamed())
}

/** What the watcher, or the box for each of his requests, calls things: the same in both worlds by the order of appearance. */
function renamed(): (message: string) => string {
  const names = new Map<string, number>()
  return message =>
    message.replace(/(tag=|branch=|call-)(\w+)|\d+ SUBSCRIBE/g, (whole, kind: string | undefined) => {
      if (kind === undefined) return 'n SUBSCRIBE'
      if (!names.has(whole)) names.set(whole, names.size)
      return `${kind}${names.get(whole)}`
    })
}

for (const allowed of [everything, some]) {
  describe(`who was shown ${allowed === everything ? 'everything' : 'some'}`, () => {
    for (const form of forms) {
      test(form.name, () => {
        const hidden = new World(allowed)
        const blocked = play(
          hidden,
          form,
          () => hidden.write(rule(one(bob), 'polite-block', allowed)),
          () => hidden.publishRich(rich.replace('here', `later ${hidden.now}`).replace('open', 'closed')),
        )
        const gone = new World(allowed)
        const absent = play(
          gone,
          form,
          () => gone.leave(),
          () => {},
        )
        assert.ok(blocked.length > 10)
        assert.deepEqual(blocked, absent)
      })
    }
  })
}
