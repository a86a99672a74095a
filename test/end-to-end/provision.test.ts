/** What a unit does with what `scripts/flash` has left for it: taken twice as after a power cut, it is the unit on the label, and tells no secret of it. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { blankImage, provisionOn } from '../unit/firmware/identity/blank-image.ts'
import { porchlight, RunningBox, temporaryData } from './box.ts'
import { HttpClient } from './http-client.ts'

const rules =
  '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"><rule id="r"><conditions/><actions/><transformations/></rule></ruleset>'

test('the code on the label is an operator’s; users of a file with a heading; the support bundle tells none of it', async t => {
  const store = temporaryData(t)
  const data = join(store, '..')
  const system = join(data, 'system')
  writeFileSync(join(data, 'users.csv'), '\ufeffaor,password\r\nbob,"bob, ""planted"""\r\ncarol,carol-planted\r\n')
  const words = ['--image', blankImage(data), '--target', join(data, 'card.img'), '--log', join(data, 'log')]
  const account = ['--dm-server', 'https://dm.example/', '--dm-user', 'u', '--dm-password', 'dm-planted']
  const unit = ['--serial', 'PL-1', '--domain', 'unit.example', '--users', join(data, 'users.csv')]
  const label = execFileSync(join(import.meta.dirname, '../../scripts/flash'), [...words, ...unit, ...account], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
  const code = /^code +(\S+)$/m.exec(label)![1]!
  const file = join(data, 'provision.json')
  writeFileSync(file, provisionOn(readFileSync(join(data, 'card.img'))).content)
  for (const _ of [1, 2]) {
    const done = await porchlight(['provision', file, '--data', store, '--system', system])
    assert.deepEqual([done.status, done.output], [0, 'this is now PL-1, serving unit.example\n'], done.errors)
  }
  assert.match(readFileSync(join(system, 'dm-account.json'), 'utf8'), /dm-planted/)
  const listed = await porchlight(['user', 'list', '--json', '--data', store])
  const aors = (JSON.parse(listed.output) as Array<{ aor: string }>).map(({ aor }) => aor)
  assert.deepEqual(
    aors,
    ['admin', 'bob', 'carol'].map(user => `sip:${user}@unit.example`),
  )

  // Credentials for servers elsewhere, and a root with some in it.
  for (const [name, value] of [
    ['prs7.username', 'other'],
    ['prs7.password', 'setting-planted'],
    ['xdm8.root', 'https://other:root-planted@elsewhere.example/xcap'],
  ] as const)
    assert.equal((await porchlight(['settings', 'set', name, value, '--data', store])).status, 0, name)
  const box = await RunningBox.start(t, store, ['http.requestsPerSecondPerUser=0'])
  const as = (username: string, password: string) => new HttpClient(t, box.port('http'), false, { username, password })
  const path = '/xcap-root/pres-rules/users/sip:bob@unit.example/index'
  const type = { 'content-type': 'application/auth-policy+xml' }
  assert.equal((await as('admin', code).ask('PUT', path, rules, type)).status, 201)
  assert.equal((await as('bob', 'bob, "planted"').ask('GET', path)).body, rules)
  assert.equal((await as('carol', 'carol-planted').ask('GET', path)).status, 403)
  assert.equal((await as('admin', 'ADMIN').ask('GET', path)).status, 401)

  mkdirSync(join(data, 'update'))
  const failed = {
    state: 'failed',
    source: 'https://u:update-planted@updates.example/x?token=token-planted',
    reason: 'a reason',
  }
  writeFileSync(join(data, 'update/state.json'), JSON.stringify(failed))
  const support = join(data, 'support.gz')
  assert.equal((await porchlight(['support', support, '--data', store])).status, 0)
  const told = gunzipSync(readFileSync(support)).toString()
  const key = readFileSync(join(store, 'self-signed-key.pem'), 'utf8').split('\n')[1]!
  for (const secret of ['planted', code, 'PRIVATE KEY', key]) assert.ok(!told.includes(secret), secret)
  assert.match(told, /"unit\.example"/)
  await box.stop()
})

test('a provision that cannot be used leaves no unit behind, and says why', async t => {
  const store = temporaryData(t)
  const file = join(store, '..', 'provision.json')
  const unit = {
    serial: 'PL-1',
    domain: 'unit.example',
    network: 'dhcp',
    admin: { user: 'admin', password: 'twelve letters' },
  }
  for (const [wrong, reason] of [
    ['{', /provision\.json: it is no JSON/],
    [JSON.stringify({ ...unit, serial: '../x' }), /provision\.json: serial: /],
    [JSON.stringify({ ...unit, colour: 'red' }), /provision\.json: colour: unknown/],
  ] as const) {
    writeFileSync(file, wrong)
    const { status, errors } = await porchlight(['provision', file, '--data', store, '--system', join(store, 'system')])
    assert.equal(status, 1)
    assert.match(errors, reason)
    assert.ok(!existsSync(store))
  }
})
