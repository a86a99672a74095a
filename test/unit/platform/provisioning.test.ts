/** What a technician has put on the card becomes files of the system; the administrator's key is one that bundles are checked against. */

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readProvision, writeSystemFiles } from '../../../src/platform/provisioning.ts'
import { readKeys } from '../../../src/platform/update/agent.ts'

const unit = {
  serial: 'PL-1',
  domain: 'unit.example',
  network: 'dhcp',
  admin: { user: 'admin', password: 'twelve letters' },
}
const dm = { server: 'https://dm.example/', user: 'u', password: 'p' }

function publicKey(type: 'ed25519' | 'ed448'): string {
  const pair = type === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448')
  return pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

test('name, network, the key of who administers it and the account of device management', t => {
  const folder = mkdtempSync(join(tmpdir(), 'porchlight-provision-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const adminKey = publicKey('ed25519')
  const network = { address: '192.0.2.10/24', gateway: '192.0.2.1', dns: ['192.0.2.53'] }
  const provision = readProvision(JSON.stringify({ ...unit, network, adminKey, dm }))
  // Twice, as after a power cut.
  for (const _ of [1, 2]) writeSystemFiles(provision, folder)
  assert.equal(readFileSync(join(folder, 'hostname'), 'utf8'), 'pl-1\n')
  assert.match(
    readFileSync(join(folder, 'network/10-provisioned.network'), 'utf8'),
    /^Address=192\.0\.2\.10\/24\nGateway=192\.0\.2\.1\nDNS=192\.0\.2\.53$/m,
  )
  assert.deepEqual(readKeys(join(folder, 'update-keys')), [adminKey])
  assert.deepEqual(JSON.parse(readFileSync(join(folder, 'dm-account.json'), 'utf8')), dm)
  assert.equal(statSync(join(folder, 'dm-account.json')).mode & 0o777, 0o600)
})

test('a key that is none, of another kind, or private is refused', () => {
  const secret = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  for (const adminKey of ['', 'no key', 7, publicKey('ed448'), secret])
    assert.throws(() => readProvision(JSON.stringify({ ...unit, adminKey })), /^Error: adminKey: /)
})
