import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SigCompEndpoint, sipOptions } from '../../../../src/protocols/sigcomp/index.ts'
import { corpus } from '../../../bench/sigcomp-corpus.ts'
import { WireTap } from '../../../second-sigcomp/wire-tap.ts'

const words = [
  '<tuple id="',
  '</status>',
  '\r\nVia: ',
  'open',
  'closed',
  '<rpid:busy/>',
  ' xmlns="',
  'é',
  '2026-11-',
  ';tag=',
]

/** Texts that repeat themselves and each other, as presence does, up to far more than a UDVM memory. */
const texts = fc.array(
  fc
    .array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 12 })), { minLength: 1, maxLength: 60 })
    .chain(parts =>
      fc.nat({ max: 40 }).map(times => Buffer.from(parts.join('').repeat(times + 1)).subarray(0, 30_000)),
    ),
  { minLength: 1, maxLength: 8 },
)

for (const onStream of [false, true])
  for (const stateMemorySize of [2048, 8192])
    test(`whatever is said arrives, ${onStream ? 'on a stream' : 'in datagrams'}, state memory ${stateMemorySize}`, () => {
      fc.assert(
        fc.property(texts, said => {
          const options = { ...sipOptions, stateMemorySize }
          const ends = [new SigCompEndpoint(options), new SigCompEndpoint(options)] as const
          for (const [i, text] of said.entries()) {
            const [from, to] = i % 3 === 2 ? [ends[1], ends[0]] : ends
            const message = from.compress(text, 'peer', onStream)
            if (message === undefined) continue
            const reception = to.receive(message, onStream)
            assert.ok(reception.kind === 'message', reception.kind === 'failure' ? reception.failure.reason : '')
            assert.equal(Buffer.compare(reception.text!, text), 0)
            // Now and then a message is not accepted, as a request that is challenged.
            if (i % 4 !== 1) to.accept(reception, 'peer')
          }
        }),
        { numRuns: 60 },
      )
    })

test('a text larger than the memory of a peer goes around it and is compressed all the same', () => {
  const [sender, receiver] = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)]
  const list = corpus().find(({ title, bytes }) => title === 'NOTIFY list' && bytes.length > 4096)!.bytes
  for (let i = 0; i < 3; i++) {
    const message = sender.compress(list, 'peer', true)!
    assert.ok(message.length < list.length / 3, `${message.length} of ${list.length}`)
    const reception = receiver.receive(message, true)
    assert.ok(reception.kind === 'message' && Buffer.compare(reception.text!, list) === 0)
    receiver.accept(reception, 'peer')
  }
})

test('the whole state of a list goes in a datagram of a few kilobytes, at first and again', () => {
  const [sender, receiver] = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)]
  const stateOf = (member: number, note: string) =>
    `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:u${member}@box.example">${['im', 'ft', 'vs', 'is', 'lm']
      .map(
        service =>
          `<tuple id="${service}"><status><basic>open</basic></status><op:service-description xmlns:op="urn:oma:xml:prs:pidf:oma-pres"><op:service-id>org.3gpp.urn:urn-7:3gpp-application.ims.iari.rcse.${service}</op:service-id><op:version>1.0</op:version></op:service-description><contact>sip:u${member}@box.example</contact></tuple>`,
      )
      .join('')}<note>${note}</note></presence>`
  for (const note of ['at home', 'away', 'at lunch']) {
    const members = Array.from({ length: 28 }, (_, member) => stateOf(member, note))
    const text = Buffer.from(`NOTIFY sip:bob@192.0.2.1 SIP/2.0\r\n\r\n--b\r\n${members.join('\r\n--b\r\n')}`)
    assert.ok(text.length > 40_000 && text.length < 65_536)
    const message = sender.compress(text, 'peer', false)!
    assert.ok(message.length < text.length / 12, `${message.length} of ${text.length}`)
    const reception = receiver.receive(message, false)
    assert.ok(reception.kind === 'message' && Buffer.compare(reception.text!, text) === 0)
    receiver.accept(reception, 'peer')
  }
})

test('the first message of all is half as long, with the bytecode it needs, and anybody can read it', () => {
  const [first] = corpus()
  const message = Buffer.from(new SigCompEndpoint(sipOptions).compress(first!.bytes, 'box', false)!)
  assert.ok(2 * message.length <= first!.bytes.length, `${message.length} of ${first!.bytes.length}`)
  assert.deepEqual(new WireTap().text(message), first!.bytes)
})

test('a state counts only when it is acknowledged, on a stream as well: what arrives may be challenged', () => {
  for (const onStream of [false, true]) {
    const [sender, receiver] = [new SigCompEndpoint(sipOptions), new SigCompEndpoint(sipOptions)]
    for (const { bytes } of corpus().filter(({ up }) => up)) {
      const message = sender.compress(bytes, 'box', onStream)
      // What is shorter than the bytecode it would need goes as text.
      if (message !== undefined) assert.equal(receiver.receive(message, onStream).kind, 'message')
    }
  }
})
