/**
 * Wireshark's UDVM as a judge of what the box compresses, over UDP and TCP: it decompresses every message, and what it reads is
 * what our own machine reads. Capturing needs root.
 */

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { assemble } from '../../src/protocols/sigcomp/assembler.ts'
import { code, codeAddress } from '../../src/protocols/sigcomp/bytecode.ts'
import {
  type CompressingClient,
  CompressingDatagramClient,
  CompressingStreamClient,
} from '../end-to-end/compressing-client.ts'
import { DatagramClient } from '../end-to-end/raw-client.ts'
import { type Box, passwordOf, startBox } from './box.ts'
import { Capture, tshark } from './capture.ts'

const [alice, bob] = ['alice', 'bob'].map(name => ({ name, password: passwordOf(name) })) as [User, User]
type User = { readonly name: string; readonly password: string }

/** Shared states (RFC 3321 §5.2) are made where they are used: nobody on the way can know them. */
const known = { sharedStates: 0 }

describe('tshark and SigComp', () => {
  let box: Box
  before(async () => {
    box = await startBox({ settings: { 'presence.defaultHandling': 'allow' } })
  })
  after(() => box.stop())

  test('decompresses all that the box compresses', { timeout: 90_000 }, async context => {
    if (process.getuid?.() !== 0) return context.skip('capturing needs root')
    if (box.isReference) return context.skip('there is no SigComp in the reference')
    const file = join(box.directory, 'sigcomp.pcapng')
    const capture = await Capture.start(file, box.port)
    const publisher = await DatagramClient.open(context, box.port)
    const clients = [
      await CompressingDatagramClient.open(context, 'datagrams', box.port, '127.0.0.1', known),
      await CompressingStreamClient.open(context, 'stream', box.port, known),
    ]
    clients[0]!.send(telling())
    for (const client of clients) await converse(client, publisher)
    await capture.stop()

    const preferences = ['sigcomp.decomp.msg:TRUE', 'sigcomp.display.decomp.msg.as.txt:TRUE'].flatMap(one => [
      '-o',
      one,
    ])
    for (const [i, transport] of (['udp', 'tcp'] as const).entries()) {
      const ours = `sigcomp && ${transport}.srcport == ${box.port}`
      const texts = clients[i]!.texts
      assert.ok(texts.length > 10, `${texts.length} messages over ${transport} were compressed`)
      assert.equal(tshark(file, box.port, ours, preferences).length, texts.length)
      const failed = tshark(
        file,
        box.port,
        `${ours} && _ws.expert.severity >= warning && !tcp.analysis.flags`,
        preferences,
      )
      assert.deepEqual(failed, [])
      const fields = [
        '-T',
        'fields',
        '-e',
        'sip.Method',
        '-e',
        'sip.Status-Code',
        '-e',
        'sip.Call-ID',
        '-e',
        'sip.CSeq.seq',
      ]
      assert.deepEqual(
        tshark(file, box.port, `${ours} && sip`, [...preferences, ...fields]).map(line => line.trim()),
        texts.map(text => {
          const [, method = '', status = ''] = /^(?:SIP\/2\.0 (?=\d)|(\w+) sip.*SIP\/2\.0)(\d*)/.exec(text)!
          const [, callId, cseq] = /Call-ID: (.*)\r\n(?:.*\r\n)*?CSeq: (\d+)/.exec(text)!
          return [method, status, callId, cseq].join('\t').trim()
        }),
      )
    }
  })
})

/** A message that has the bytecode kept which endpoints of ours have in common without saying it. */
function telling(): Buffer {
  const after = codeAddress + code.length
  const { bytes } = assemble(
    `STATE-CREATE (${code.length}, ${codeAddress}, ${codeAddress}, 6, 0)\nEND-MESSAGE (0, 0, 0, 0, 0, 0, 0)`,
    after,
  )
  const jump = assemble(`JUMP (${after})`, 128).bytes
  const length = jump.length + code.length + bytes.length
  return Buffer.concat([Uint8Array.of(0xf8, length >> 4, ((length & 15) << 4) | 1), jump, code, bytes])
}

async function converse(client: CompressingClient, publisher: DatagramClient): Promise<void> {
  const register = { method: 'REGISTER', uri: 'sip:box.example', fields: { To: '<sip:alice@box.example>' } }
  assert.equal((await client.askAs(alice, register)).status, 200)
  const subscribe = { method: 'SUBSCRIBE', uri: 'sip:bob@box.example', fields: { Event: 'presence', Expires: '600' } }
  assert.equal((await client.askAs(alice, subscribe)).status, 200)
  client.answer(await client.request('NOTIFY'), 200)
  for (const note of ['at home', 'on the way', 'at work', 'in a meeting', 'at lunch', 'away', 'back', 'gone']) {
    const body = `<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bob@box.example"><tuple id="t"><status><basic>open</basic></status><note>${note}</note></tuple></presence>`
    const fields = { Event: 'presence', Expires: '600', 'Content-Type': 'application/pidf+xml' }
    assert.equal(
      (await publisher.askAs(bob, { method: 'PUBLISH', uri: 'sip:bob@box.example', fields, body })).status,
      200,
    )
    const notify = await client.request('NOTIFY')
    assert.ok(Buffer.from(notify.body).includes(note))
    client.answer(notify, 200)
  }
  await client.settled()
}
