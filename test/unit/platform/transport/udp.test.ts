import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { newTransportCounters } from '../../../../src/platform/transport/transport.ts'
import { UdpTransport } from '../../../../src/platform/transport/udp.ts'
import { udpFlowId } from '../../../../src/protocols/sip/flow.ts'
import { Recorder } from './recorder.ts'

async function open(t: TestContext, flowsRemembered = 100, port = 0) {
  const user = new Recorder()
  const counters = newTransportCounters()
  const options = { address: '127.0.0.1', port, receiveBufferOctets: 1 << 20, flowsRemembered, counters }
  const udp = await UdpTransport.open(options, user)
  t.after(() => udp.close())
  return { udp, user, counters }
}

async function peer(t: TestContext): Promise<{ socket: Socket; port: number }> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
  return { socket, port: socket.address().port }
}

test('a datagram comes with its flow, and an answer on the flow goes back', async t => {
  const { udp, user } = await open(t)
  const { socket, port } = await peer(t)
  socket.send('hello', udp.port, '127.0.0.1')
  const { bytes, flow } = await user.next('received')
  assert.equal(bytes.toString(), 'hello')
  assert.deepEqual(flow, {
    id: `udp:127.0.0.1:${udp.port}:127.0.0.1:${port}`,
    transport: 'udp',
    localAddress: '127.0.0.1',
    localPort: udp.port,
    remoteAddress: '127.0.0.1',
    remotePort: port,
  })
  udp.send(flow.id, Buffer.from('answer'))
  const [answer] = await once(socket, 'message')
  assert.equal(String(answer), 'answer')
})

test('a flow named before a restart, from which nothing has come yet, can be sent on', async t => {
  const { udp } = await open(t)
  const { socket, port } = await peer(t)
  const name = udpFlowId('127.0.0.1', udp.port, '127.0.0.1', port)
  assert.ok(udp.owns(name))
  assert.ok(!udp.owns(udpFlowId('127.0.0.1', 1, '127.0.0.1', port)))
  udp.send(name, Buffer.from('first'))
  const [first] = await once(socket, 'message')
  assert.equal(String(first), 'first')
})

test('more peers than are remembered are served all the same', async t => {
  const { udp, user } = await open(t, 2)
  const peers = await Promise.all([peer(t), peer(t), peer(t), peer(t), peer(t)])
  for (let round = 0; round < 3; round++)
    for (const { socket, port } of peers) {
      socket.send(`${round}`, udp.port, '127.0.0.1')
      const { flow } = await user.next('received')
      assert.equal(flow.remotePort, port)
      udp.send(flow.id, Buffer.from(`${round}`))
      const [answer] = await once(socket, 'message')
      assert.equal(String(answer), `${round}`)
    }
})

test('what cannot leave is told and counted: a datagram too long, a name that is none', async t => {
  const { udp, user, counters } = await open(t)
  const { port } = await peer(t)
  const name = udpFlowId('127.0.0.1', udp.port, '127.0.0.1', port)
  udp.send(name, Buffer.alloc(70_000))
  assert.equal((await user.next('disconnected')).name, name)
  assert.equal(counters.udpSendErrors, 1)
  udp.send(`udp:127.0.0.1:${udp.port}:nowhere`, Buffer.from('x'))
  assert.equal((await user.next('disconnected')).name, `udp:127.0.0.1:${udp.port}:nowhere`)
})

test('a port in use is an error of the system', async t => {
  const { udp } = await open(t)
  await assert.rejects(open(t, 100, udp.port), { code: 'EADDRINUSE' })
})
