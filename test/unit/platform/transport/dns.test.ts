import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addressesInHosts, Dns } from '../../../../src/platform/transport/dns.ts'

const hosts = '127.0.0.1 localhost box.example # the box\n::1 localhost\n192.0.2.7\tPhone.Example\n# 192.0.2.8 other\n'

test('the hosts file: families apart, names in any case, comments passed over', () => {
  assert.deepEqual(addressesInHosts(hosts, 'BOX.example.', 'A'), ['127.0.0.1'])
  assert.deepEqual(addressesInHosts(hosts, 'localhost', 'AAAA'), ['::1'])
  assert.deepEqual(addressesInHosts(hosts, 'phone.example', 'A'), ['192.0.2.7'])
  assert.deepEqual(addressesInHosts(hosts, 'other', 'A'), [])
  assert.deepEqual(addressesInHosts('', 'x', 'A'), [])
})

test('a name in the hosts file is answered from it, later and not at once; a question over the limit has no records', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'hosts-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'hosts')
  writeFileSync(file, hosts)
  const answers = new Map<string, unknown>()
  let done: (() => void) | undefined
  const both = new Promise<void>(resolve => {
    done = resolve
  })
  const dns = new Dns(
    1,
    (query, records) => {
      answers.set(query, records)
      if (answers.size === 2) done?.()
    },
    file,
  )
  dns.resolve({ name: 'box.example', type: 'A', query: 'first' })
  dns.resolve({ name: 'box.example', type: 'A', query: 'second' })
  assert.equal(answers.size, 0)
  await both
  assert.deepEqual(answers.get('first'), [{ type: 'A', address: '127.0.0.1' }])
  assert.equal(answers.get('second'), undefined)
})
