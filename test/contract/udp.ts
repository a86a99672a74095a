/** The contract of UdpTransport, run over every implementation: `udpContract('node:dgram', ...)` declares its tests. */

import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { describe, type TestContext, test } from 'node:test'
import { newTransportCounters, type TransportUser } from '../../src/platform/transport/transport.ts'
import type { UdpOptions, UdpTransport } from '../../src/platform/transport/udp.ts'
import { udpFlowId } from '../../src/protocols/sip/flow.ts'
import { Recorder } from '../unit/platform/transport/recorder.ts'

export type OpenUdp = (options: UdpOptions, user: TransportUser) => Promise<UdpTransport>

const hasIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))

async function peer(t: TestContext, address = '127.0.0.1'): Promise<{ socket: Socket; port: number }> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.bind(0, address)
  await once(socket, 'listening')
  t.after(() => socket.close())
  return { socket, port: socket.address().port }
}

export function udpContract(name: string, openUdp: OpenUdp): void {
  async function open(t: TestContext, given: Partial<UdpOptions> = {}) {
    const user = new Recorder()
    const counters = newTransportCounters()
    const defaults = { address: '127.0.0.1', port: 0, receiveBufferOctets: 1 << 20, flowsRemembered: 100, counters }
    const udp = await openUdp({ ...defaults, ...given }, user)
    let closed: Promise<void> | undefined
    const close = () => (closed ??= udp.close())
    t.after(close)
    const send = (flow: string, text: string | Buffer) => {
      udp.send(flow, Buffer.from(text))
      udp.flush()
    }
    return { udp, user, counters, send, close }
  }

  describe(`UDP by ${name}`, () => {
    test('a datagram comes with its flow, and an answer on the flow goes back', async t => {
      const { udp, user, send } = await open(t)
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
      send(flow.id, 'answer')
      const [answer, from] = await once(socket, 'message')
      assert.equal(String(answer), 'answer')
      assert.deepEqual([from.address, from.port], ['127.0.0.1', udp.port])
    })

    test('IPv6, with nothing of IPv4 on the same port', { skip: !hasIpv6 }, async t => {
      const { udp, user, send } = await open(t, { address: '::' })
      const { socket, port } = await peer(t, '::1')
      socket.send('hello', udp.port, '::1')
      const { flow } = await user.next('received')
      assert.equal(flow.id, `udp:[::]:${udp.port}:[::1]:${port}`)
      assert.equal(flow.remoteAddress, '::1')
      send(flow.id, 'answer')
      assert.equal(String((await once(socket, 'message'))[0]), 'answer')
      await open(t, { address: '0.0.0.0', port: udp.port })
    })

    test('a socket on every address answers from the one that was asked', async t => {
      const { udp, user, send } = await open(t, { address: '0.0.0.0' })
      const { socket, port } = await peer(t)
      socket.send('hello', udp.port, '127.0.0.1')
      const { flow } = await user.next('received')
      assert.equal(flow.id, `udp:0.0.0.0:${udp.port}:127.0.0.1:${port}`)
      send(flow.id, 'answer')
      const [, from] = await once(socket, 'message')
      assert.equal(from.address, '127.0.0.1')
    })

    test('a flow named before a restart, from which nothing has come yet, can be sent on', async t => {
      const { udp, user, send } = await open(t)
      const { socket, port } = await peer(t)
      const flow = udpFlowId('127.0.0.1', udp.port, '127.0.0.1', port)
      assert.ok(udp.owns(flow))
      assert.ok(!udp.owns(udpFlowId('127.0.0.1', 1, '127.0.0.1', port)))
      send(flow, 'first')
      assert.equal(String((await once(socket, 'message'))[0]), 'first')
      socket.send('answer', udp.port, '127.0.0.1')
      assert.equal((await user.next('received')).flow.id, flow)
    })

    test('two peers with one port are told apart', async t => {
      const { udp, user, send } = await open(t, { address: '0.0.0.0' })
      const one = await peer(t)
      const other = createSocket('udp4')
      other.bind(one.port, '127.0.0.2')
      await once(other, 'listening')
      t.after(() => other.close())
      for (let round = 0; round < 3; round++)
        for (const [socket, address] of [
          [one.socket, '127.0.0.1'],
          [other, '127.0.0.2'],
        ] as const) {
          socket.send('hello', udp.port, '127.0.0.1')
          const { flow } = await user.next('received')
          assert.equal(flow.remoteAddress, address)
          send(flow.id, address)
          assert.equal(String((await once(socket, 'message'))[0]), address)
        }
    })

    test('more peers than are remembered are served all the same', async t => {
      const { udp, user, send } = await open(t, { flowsRemembered: 2 })
      const peers = await Promise.all([peer(t), peer(t), peer(t), peer(t), peer(t)])
      for (let round = 0; round < 3; round++)
        for (const { socket, port } of peers) {
          socket.send(`${round}`, udp.port, '127.0.0.1')
          const { flow } = await user.next('received')
          assert.equal(flow.remotePort, port)
          send(flow.id, `${round}`)
          assert.equal(String((await once(socket, 'message'))[0]), `${round}`)
        }
    })

    test('hundreds of datagrams at once arrive whole and in order, and stay what they were', async t => {
      const { udp, user, send } = await open(t)
      const { socket, port } = await peer(t)
      socket.setRecvBufferSize(1 << 20)
      const texts = Array.from({ length: 300 }, (_, index) => `${index} `.repeat(1 + (index % 200)))
      const heard: string[] = []
      socket.on('message', text => heard.push(String(text)))
      const flow = udpFlowId('127.0.0.1', udp.port, '127.0.0.1', port)
      for (const text of texts) udp.send(flow, Buffer.from(text))
      udp.flush()
      while (heard.length < texts.length) await once(socket, 'message')
      assert.deepEqual(heard, texts)
      for (const text of texts) socket.send(text, udp.port, '127.0.0.1')
      const came: Buffer[] = []
      while (came.length < texts.length) came.push((await user.next('received')).bytes)
      assert.deepEqual(came.map(String), texts)
      send(flow, 'the last')
    })

    test('the longest datagram there is comes and goes uncut, the empty one too', async t => {
      const { udp, user, send } = await open(t)
      const { socket } = await peer(t)
      const longest = Buffer.alloc(65_507, 'x')
      for (const sent of [longest, Buffer.alloc(0)]) {
        socket.send(sent, udp.port, '127.0.0.1')
        const { bytes, flow } = await user.next('received')
        assert.ok(bytes.equals(sent))
        send(flow.id, sent)
        const [back] = await once(socket, 'message')
        assert.ok((back as Buffer).equals(sent))
      }
    })

    test('what cannot leave is told and counted, and what comes after it leaves', async t => {
      const { udp, user, counters } = await open(t)
      const { socket, port } = await peer(t)
      const flow = udpFlowId('127.0.0.1', udp.port, '127.0.0.1', port)
      for (const length of [65_508, 70_000]) {
        const next = once(socket, 'message')
        udp.send(flow, Buffer.alloc(length))
        udp.send(flow, Buffer.from('goes on'))
        udp.flush()
        assert.equal((await user.next('disconnected')).name, flow)
        assert.equal(String((await next)[0]), 'goes on')
      }
      assert.equal(counters.udpSendErrors, 2)
      // No route and no leave to broadcast, whichever comes first.
      const nowhere = udpFlowId('127.0.0.1', udp.port, '255.255.255.255', 9)
      udp.send(nowhere, Buffer.from('x'))
      udp.flush()
      assert.equal((await user.next('disconnected')).name, nowhere)
      assert.equal(counters.udpSendErrors, 3)
    })

    test('a name that is none is told', async t => {
      const { udp, user, send } = await open(t)
      send(`udp:127.0.0.1:${udp.port}:nowhere`, 'x')
      assert.equal((await user.next('disconnected')).name, `udp:127.0.0.1:${udp.port}:nowhere`)
    })

    test('a port where nobody listens is no fault of the socket', async t => {
      const { udp, user, counters, send } = await open(t)
      const gone = await peer(t)
      const { socket, port } = await peer(t)
      await new Promise<void>(closed => gone.socket.once('close', closed).close())
      gone.socket.close = () => gone.socket
      for (let round = 0; round < 3; round++) {
        send(udpFlowId('127.0.0.1', udp.port, '127.0.0.1', gone.port), 'anybody there?')
        socket.send('hello', udp.port, '127.0.0.1')
        assert.equal((await user.next('received')).flow.remotePort, port)
      }
      assert.deepEqual(user.heard, [])
      assert.equal(counters.udpSendErrors, 0)
    })

    test('closed in the midst of what comes and goes, it says nothing more and its port is free', async t => {
      const { udp, user, counters, close } = await open(t)
      const { socket, port } = await peer(t)
      const flow = udpFlowId('127.0.0.1', udp.port, '127.0.0.1', port)
      let closing: Promise<void> | undefined
      const received = user.received.bind(user)
      user.received = (bytes, from) => {
        received(bytes, from)
        udp.send(flow, Buffer.from('on its way'))
        closing ??= close()
      }
      for (let index = 0; index < 100; index++) socket.send('hello', udp.port, '127.0.0.1')
      await user.next('received')
      await closing
      udp.send(flow, Buffer.from('too late'))
      udp.flush()
      const { udp: next, user: nextUser } = await open(t, { port: udp.port, counters })
      socket.send('again', next.port, '127.0.0.1')
      assert.equal(String((await nextUser.next('received')).bytes), 'again')
      assert.deepEqual(user.heard, [])
    })

    test('a port in use and an address of another machine are errors of the system', async t => {
      const { udp } = await open(t)
      await assert.rejects(open(t, { port: udp.port }), { code: 'EADDRINUSE' })
      await assert.rejects(open(t, { address: '192.0.2.1' }), { code: 'EADDRNOTAVAIL' })
    })
  })
}
