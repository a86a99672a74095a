/** The built box from its first start to its last line. */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { porchlight, RunningBox, temporaryData } from './box.ts'

function options(transport: string, host: string, port: number): string {
  return [
    'OPTIONS sip:box.example SIP/2.0',
    `Via: SIP/2.0/${transport} ${host}:${port};branch=z9hG4bK${transport}${port};rport`,
    'Max-Forwards: 70',
    'From: <sip:probe@box.example>;tag=1',
    'To: <sip:box.example>',
    `Call-ID: ${transport}-${port}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '',
    '',
  ].join('\r\n')
}

/** The first line that comes back for an OPTIONS over UDP. */
async function probe(t: TestContext, port: number): Promise<string> {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.send(options('UDP', '127.0.0.1', socket.address().port), port, '127.0.0.1')
  const [answer] = await once(socket, 'message')
  return String(answer).split('\r\n', 1)[0]!
}

test('first start: two users with passwords, one line ready; SIGTERM ends it with 0', async t => {
  const data = temporaryData(t)
  const box = await RunningBox.start(t, data)
  assert.match(box.greeting, /sip:alice@box\.example +password \w{12}\n/)
  assert.match(box.greeting, /sip:bob@box\.example +password \w{12}\n/)
  assert.match(box.greeting, /make demo/)
  assert.equal(box.greeting.match(/^ready/gm)?.length, 1)
  assert.equal(statSync(data).mode & 0o777, 0o700)
  const ended = await box.stop()
  assert.equal(ended.status, 0, ended.errors)
  assert.ok(!existsSync(join(data, 'control')))
})

test('it answers SIP over UDP, TCP and TLS, with a certificate for its domain that it has made itself', async t => {
  const data = temporaryData(t)
  const box = await RunningBox.start(t, data)
  assert.match(await probe(t, box.port('udp')), /^SIP\/2\.0 \d{3} /)

  const tcp = connectTcp(box.port('tcp'), '127.0.0.1')
  tcp.write(options('TCP', '127.0.0.1', 1))
  assert.match(String((await once(tcp, 'data'))[0]), /^SIP\/2\.0 \d{3} /)
  tcp.destroy()

  const ca = readFileSync(join(data, 'self-signed-certificate.pem'), 'utf8')
  const tls = connectTls({ port: box.port('tls'), host: '127.0.0.1', servername: 'box.example', ca })
  tls.write(options('TLS', '127.0.0.1', 2))
  assert.match(String((await once(tls, 'data'))[0]), /^SIP\/2\.0 \d{3} /)
  assert.ok(tls.authorized)
  tls.destroy()
  assert.equal(statSync(join(data, 'self-signed-key.pem')).mode & 0o777, 0o600)
  assert.equal((await box.stop('SIGINT')).status, 0)
})

test('second start: no new users, the same certificate, the same users; also after kill -9', async t => {
  const data = temporaryData(t)
  const first = await RunningBox.start(t, data)
  const certificate = readFileSync(join(data, 'self-signed-certificate.pem'), 'utf8')
  assert.equal((await porchlight(['user', 'add', 'carol', '--data', data])).status, 0)
  await first.stop('SIGKILL')
  const second = await RunningBox.start(t, data)
  assert.doesNotMatch(second.greeting, /password/)
  assert.equal(readFileSync(join(data, 'self-signed-certificate.pem'), 'utf8'), certificate)
  const { output } = await porchlight(['user', 'list', '--data', data])
  assert.equal(output, 'sip:alice@box.example\nsip:bob@box.example\nsip:carol@box.example\n')
  assert.equal((await second.stop()).status, 0)
})

test('users made before the first start stand alone: nobody is added to them', async t => {
  const data = temporaryData(t)
  assert.equal((await porchlight(['user', 'add', 'carol', '--password-stdin', '--data', data], 'secret\n')).status, 0)
  const box = await RunningBox.start(t, data)
  assert.doesNotMatch(box.greeting, /password/)
  assert.equal((await porchlight(['user', 'list', '--data', data])).output, 'sip:carol@box.example\n')
  await box.stop()
})

test('two boxes on one data directory: the second says so in one line and ends with 1', async t => {
  const data = temporaryData(t)
  const box = await RunningBox.start(t, data)
  const second = await porchlight(['serve', '--data', data, '--set', 'sip.udp=127.0.0.1:0'])
  assert.equal(second.status, 1)
  assert.match(second.errors, /^porchlight: the data directory .* is in use by another process\n$/)
  await box.stop()
})

test('a port in use: one line that says which, and status 1', async t => {
  const socket = createSocket('udp4')
  t.after(() => socket.close())
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const ended = await porchlight(['serve', '--data', temporaryData(t), '--set', `sip.udp=127.0.0.1:${port}`])
  assert.equal(ended.status, 1)
  assert.match(
    ended.errors,
    new RegExp(`^porchlight: cannot listen on udp 127\\.0\\.0\\.1:${port}: the port is in use`),
  )
  assert.equal(ended.errors.trim().split('\n').length, 1)
})

test('auth.required=false is warned about', async t => {
  const box = await RunningBox.start(t, temporaryData(t), ['auth.required=false'])
  assert.match((await box.stop()).errors, /warning auth\.required is false/)
})

test('a certificate without its key is not used, and the operator is told', async t => {
  const box = await RunningBox.start(t, temporaryData(t), ['tls.certificate=/no/such.pem'])
  const ended = await box.stop()
  assert.match(`${box.greeting}${ended.errors}`, /warning tls\.certificate is not used while tls\.key is empty: /)
})

test('certificate and key of the operator: used from the start, read anew on SIGHUP, refused when unreadable', async t => {
  const data = temporaryData(t)
  // A box's own certificate serves as the operator's here.
  await (await RunningBox.start(t, data)).stop()
  const files = [join(data, '..', 'certificate.pem'), join(data, '..', 'key.pem')] as const
  writeFileSync(files[0], readFileSync(join(data, 'self-signed-certificate.pem')))
  writeFileSync(files[1], readFileSync(join(data, 'self-signed-key.pem')))
  const set = [`tls.certificate=${files[0]}`, `tls.key=${files[1]}`]
  const other = temporaryData(t)
  mkdirSync(other)
  const box = await RunningBox.start(t, other, set)
  assert.ok(!existsSync(join(other, 'self-signed-key.pem')))
  const hears = (what: RegExp): Promise<void> =>
    new Promise(resolve => {
      let text = ''
      box.child.stderr?.on('data', part => {
        text += part
        if (what.test(text)) resolve()
      })
    })
  const renewed = hears(/TLS certificate read anew/)
  box.child.kill('SIGHUP')
  await renewed
  writeFileSync(files[0], 'no certificate')
  const refused = hears(/the certificate in use stays/)
  box.child.kill('SIGHUP')
  await refused
  assert.match(await probe(t, box.port('udp')), /^SIP\/2\.0/)
  await box.stop()
  const failed = await porchlight([
    'serve',
    '--data',
    other,
    ...set.flatMap(text => ['--set', text]),
    '--set',
    'sip.udp=',
  ])
  assert.equal(failed.status, 1)
  assert.match(failed.errors, /^porchlight: tls\.certificate and tls\.key cannot be used/)
})
