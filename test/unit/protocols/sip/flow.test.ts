import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionFlowId, numericAddress, udpFlow, udpFlowId } from '../../../../src/protocols/sip/flow.ts'

test('a UDP flow is named by its addresses and known by its name', () => {
  for (const [local, remote] of [
    ['127.0.0.1', '192.0.2.1'],
    ['::1', '2001:db8::5'],
  ] as const) {
    const id = udpFlowId(local, 5060, remote, 40_000)
    assert.deepEqual(udpFlow(id), {
      id,
      transport: 'udp',
      localAddress: local,
      localPort: 5060,
      remoteAddress: remote,
      remotePort: 40_000,
    })
  }
  assert.equal(udpFlowId('127.0.0.1', 5060, '127.0.0.1', 40_000), 'udp:127.0.0.1:5060:127.0.0.1:40000')
})

test('what is not such a name is none', () => {
  const bad = ['', 'udp:', 'udp:127.0.0.1', 'udp:127.0.0.1:5060', 'udp:127.0.0.1:5060:', 'udp:127.0.0.1:5060:1.2.3.4:']
  const more = [
    'udp:127.0.0.1:x:1.2.3.4:5',
    'udp:127.0.0.1:5060:1.2.3.4:70000',
    'udp:[::1:5060:[::1]:5',
    'tcp:1:2:3:4',
    'udp:a:1:b:2:c',
  ]
  for (const id of [...bad, ...more, connectionFlowId('tcp', 1, 'run')]) assert.equal(udpFlow(id), undefined, id)
})

test('numeric hosts are told from names', () => {
  assert.equal(numericAddress('192.0.2.1'), '192.0.2.1')
  assert.equal(numericAddress('[2001:db8::1]'), '2001:db8::1')
  for (const name of [
    'example.com',
    '192.0.2',
    '192.0.2.1.5',
    '192.0.2.256',
    '1.2.3.',
    '',
    '[::1',
    'a1.2.3.4',
    '1..2.3',
  ]) {
    assert.equal(numericAddress(name), undefined, name)
  }
})
