import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryStore } from '../../src/platform/storage/memory.ts'
import { listeningAddresses } from '../../src/settings/addresses.ts'
import {
  defaultSettings,
  listSettings,
  managementTree,
  parseSetting,
  putSetting,
  readSettings,
  SettingError,
  settingName,
  settingNames,
} from '../../src/settings.ts'

test('without anything stored every setting has its default, and every default is allowed', () => {
  const store = openMemoryStore()
  assert.deepEqual(
    store.transact(db => readSettings(db)),
    defaultSettings(),
  )
  for (const listing of store.transact(db => listSettings(db, defaultSettings())))
    assert.equal(parseSetting(listing.name, String(listing.default)), listing.default, listing.name)
})

test('every setting has its own node of the management tree, named by legal segments (TND §6)', () => {
  const store = openMemoryStore()
  const listings = store.transact(db => listSettings(db, defaultSettings()))
  assert.equal(new Set(listings.map(({ node }) => node)).size, settingNames.length)
  for (const { node } of listings) assert.match(node, /^\.\/Vendor\/Porchlight(\/[A-Za-z0-9]+)+$/)
})

test('what is stored is the node: format and value at its path', () => {
  const store = openMemoryStore()
  store.transact(db => putSetting(db, 'presence.minNotifyIntervalSeconds', '0'))
  const node = store.transact(db => db.get(managementTree, ['Vendor', 'Porchlight', 'Presence', 'MinNotifyInterval']))
  assert.deepEqual(node, { format: 'int', value: 0 })
  assert.equal(store.transact(db => readSettings(db)).presence.minNotifyIntervalSeconds, 0)
})

test('a value given for this run comes before a stored one, and is not stored', () => {
  const store = openMemoryStore()
  store.transact(db => putSetting(db, 'domain', 'stored.example'))
  const overrides = new Map([['domain', 'given.example']] as const)
  const settings = store.transact(db => readSettings(db, overrides))
  assert.equal(settings.domain, 'given.example')
  const listed = store.transact(db => listSettings(db, settings, overrides)).find(({ name }) => name === 'domain')
  assert.equal(listed?.from, 'command line')
  assert.equal(store.transact(db => readSettings(db)).domain, 'stored.example')
})

test('while the box runs, a change that needs a start waits and is shown as waiting; another is felt at once', () => {
  const store = openMemoryStore()
  const running = store.transact(db => readSettings(db))
  store.transact(db => {
    putSetting(db, 'sip.udp', '127.0.0.1:5070')
    putSetting(db, 'presence.defaultHandling', 'block')
  })
  const after = store.transact(db => readSettings(db, new Map(), running))
  assert.equal(after.sip.udp, running.sip.udp)
  assert.equal(after.presence.defaultHandling, 'block')
  const listed = store.transact(db => listSettings(db, after)).find(({ name }) => name === 'sip.udp')
  assert.equal(listed?.value, running.sip.udp)
  assert.equal(listed?.next, '127.0.0.1:5070')
})

test('an impossible value is refused in one line that says what is allowed', () => {
  const impossible = [
    ['presence.defaultHandling', 'maybe'],
    ['presence.minNotifyIntervalSeconds', '-1'],
    ['presence.minNotifyIntervalSeconds', '5s'],
    ['presence.minNotifyIntervalSeconds', ''],
    ['auth.required', 'yes'],
    ['domain', 'Box Example'],
    ['domain', ''],
    ['sip.udp', '5060'],
    ['sip.udp', '300.0.0.1:5060'],
    ['sip.tls', '127.0.0.1:70000'],
    ['sip.tls', '::1:5061'],
    ['auth.realm', 'a"b'],
  ] as const
  for (const [name, text] of impossible)
    assert.throws(
      () => parseSetting(name, text),
      (error: Error) =>
        error instanceof SettingError &&
        error.message.startsWith(`${name} cannot be '${text}': `) &&
        !/\n/.test(error.message),
      `${name}=${text}`,
    )
})

test('values that contradict each other are refused together', () => {
  const store = openMemoryStore()
  assert.throws(
    () =>
      store.transact(db => {
        putSetting(db, 'presence.publicationMaxSeconds', '30')
        readSettings(db)
      }),
    /presence.publicationDefaultSeconds \(3600\) must not be above presence.publicationMaxSeconds \(30\)/,
  )
  assert.equal(
    store.transact(db => readSettings(db)).presence.publicationMaxSeconds,
    defaultSettings().presence.publicationMaxSeconds,
  )
})

test('a stored value of another format, as a DM server might leave it, is an error and not a default', () => {
  const store = openMemoryStore()
  store.transact(db =>
    db.put(managementTree, ['Vendor', 'Porchlight', 'Auth', 'Required'], { format: 'chr', value: 'false' }),
  )
  assert.throws(() => store.transact(db => readSettings(db)), /the stored value of auth.required/)
})

test('a name that does not exist is refused, with the closest one that does', () => {
  assert.throws(() => settingName('presence.defaulthandling'), /perhaps presence.defaultHandling/)
  assert.throws(() => settingName('toString'), /no setting is called 'toString'/)
})

test('listening addresses: several, IPv6 in brackets, none, and what is malformed', () => {
  assert.deepEqual(listeningAddresses('0.0.0.0:5060, [2001:db8::1]:0'), [
    { address: '0.0.0.0', port: 5060 },
    { address: '2001:db8::1', port: 0 },
  ])
  assert.deepEqual(listeningAddresses(''), [])
  for (const text of ['localhost:5060', '127.0.0.1', '[::1]', '[127.0.0.1]:5060', '127.0.0.1:x'])
    assert.equal(listeningAddresses(text), undefined, text)
})
