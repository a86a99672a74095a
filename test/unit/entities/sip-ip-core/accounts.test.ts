/** Users and the digests of their passwords. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AccountError,
  accountOf,
  addUser,
  importUsers,
  listUsers,
  removeUser,
  setPassword,
  userAddress,
} from '../../../../src/entities/sip-ip-core/accounts.ts'
import { currentBindings } from '../../../../src/entities/sip-ip-core/bindings.ts'
import { passwordDigest } from '../../../../src/protocols/sip/digest.ts'
import type { Transaction } from '../../../../src/turn.ts'
import { beginning, Core } from './core.ts'

const domain = { domain: 'box.example', realm: 'box.example' }

function names(core: Core): string[] {
  return core.store.transact(db => [...listUsers(db)].map(({ aor }) => aor))
}

function change<T>(core: Core, work: (db: Transaction) => T): T {
  return core.store.transact(work)
}

test('a user is named by his name, his address or his URI', () => {
  for (const text of ['dora', 'dora@box.example', 'sip:dora@box.example', ' sips:%64ora@BOX.example '])
    assert.equal(userAddress(text, 'box.example'), 'sip:dora@box.example')
})

test('what names no user of the domain is refused with one line', () => {
  for (const text of ['', '@box.example', 'a b', 'dora@other.example', 'tel:+123', 'tgruu.1', 'x'.repeat(129), 'a@b@c'])
    assert.throws(() => userAddress(text, 'box.example'), AccountError, text)
})

test('an account keeps digests for every algorithm and both forms of the username, and no password', () => {
  const core = new Core()
  const aor = change(core, db => addUser(db, { address: 'dora', password: 'pärl', displayName: 'Dora' }, domain, 5))
  const account = change(core, db => accountOf(db, aor))!
  assert.equal(account.displayName, 'Dora')
  assert.equal(account.createdAt, 5)
  for (const algorithm of ['SHA-256', 'SHA-512-256', 'MD5'] as const) {
    assert.equal(account.digests[algorithm], passwordDigest(algorithm, 'dora', 'box.example', 'pärl'))
    assert.equal(
      account.addressDigests[algorithm],
      passwordDigest(algorithm, 'dora@box.example', 'box.example', 'pärl'),
    )
  }
  assert.doesNotMatch(JSON.stringify(account), /pärl/)
})

test('a second account of one address, an empty password or a very long one are refused', () => {
  const core = new Core()
  for (const [address, password] of [
    ['alice', 'x'],
    ['sip:%61lice@box.example', 'x'],
    ['dora', ''],
    ['dora', 'x'.repeat(257)],
  ] as const)
    assert.throws(() => change(core, db => addUser(db, { address, password }, domain, 0)), AccountError, address)
  assert.deepEqual(names(core), ['sip:alice@box.example', 'sip:bob@box.example', 'sip:carol@box.example'])
})

test('another password replaces the digests and nothing else', () => {
  const core = new Core()
  const before = change(core, db => accountOf(db, 'sip:alice@box.example'))!
  change(core, db => setPassword(db, 'alice', 'new', domain))
  const after = change(core, db => accountOf(db, 'sip:alice@box.example'))!
  assert.equal(after.createdAt, before.createdAt)
  assert.equal(after.digests.MD5, passwordDigest('MD5', 'alice', 'box.example', 'new'))
  assert.throws(() => change(core, db => setPassword(db, 'nobody', 'new', domain)), AccountError)
})

test('no user has the address of the box for lists', () => {
  const core = new Core()
  const own = { ...domain, listServer: 'sip:rls@box.example' }
  assert.throws(
    () => change(core, db => addUser(db, { address: 'rls', password: 'x' }, own, 0)),
    /address of the box for lists/,
  )
  assert.throws(() => change(core, db => importUsers(db, 'rls,x\n', own, 0)), /line 1: .*address of the box for lists/)
})

test('a removed user loses his registrations at once, and the Presence Server is told', () => {
  const core = new Core()
  core.register('alice', ['<sip:alice@192.0.2.9>'])
  const outputs = core.turn('registrar', turn => removeUser(turn.db, 'alice', domain, turn.now))
  assert.deepEqual(
    change(core, db => currentBindings(db, 'sip:alice@box.example', core.now)),
    [],
  )
  const tokens = outputs.map(output => output.kind === 'wake' && `${output.entity} ${output.token}`)
  assert.ok(tokens.includes('presence-server user sip:alice@box.example'))
  assert.ok(tokens.includes('presence-server resource presence sip:alice@box.example'))
  assert.throws(() => change(core, db => removeUser(db, 'alice', domain, 0)), AccountError)
})

test('an import adds users and sets the passwords of those that exist', () => {
  const core = new Core()
  const text =
    '\ufeffdora@box.example,secret\r\n\r\nalice,"a ""quoted"", word",Alice\nsip:emil@box.example,x,"Emil\nOf"\n'
  assert.deepEqual(
    change(core, db => importUsers(db, text, domain, beginning)),
    { added: ['sip:dora@box.example', 'sip:emil@box.example'], changed: 1 },
  )
  const account = change(core, db => accountOf(db, 'sip:alice@box.example'))!
  assert.equal(account.digests.MD5, passwordDigest('MD5', 'alice', 'box.example', 'a "quoted", word'))
  assert.equal(account.displayName, 'Alice')
  assert.equal(change(core, db => accountOf(db, 'sip:emil@box.example'))!.displayName, 'Emil\nOf')
})

test('a heading that names the columns is no user', () => {
  for (const heading of ['aor,password', '\ufeffAOR,Password,Display name']) {
    const core = new Core()
    assert.deepEqual(
      change(core, db => importUsers(db, `${heading}\r\ndora,secret\r\n`, domain, beginning)),
      { added: ['sip:dora@box.example'], changed: 0 },
    )
    assert.ok(!names(core).includes('sip:aor@box.example'))
  }
  const core = new Core()
  assert.deepEqual(
    change(core, db => importUsers(db, 'dora,secret\naor,password2\n', domain, beginning)),
    { added: ['sip:dora@box.example', 'sip:aor@box.example'], changed: 0 },
  )
})

test('an import with one bad line changes nothing and names the line', () => {
  for (const [text, line] of [
    ['dora,x\nemil@other.example,x\n', 2],
    ['dora,x\n\nemil\n', 3],
    ['dora,\n', 1],
    ['dora,x\n"emil,x', 2],
    ['dora,x\nemil,"x"y\n', 2],
    ['dora,x,y,z', 1],
    ['dora,"a\nb"\nemil', 3],
  ] as const) {
    const core = new Core()
    const before = names(core)
    assert.throws(
      () => change(core, db => importUsers(db, text, domain, 0)),
      { message: new RegExp(`^line ${line}:`) },
      text,
    )
    assert.deepEqual(names(core), before)
  }
})
