/** What a technician says of units is refused on his laptop when the unit could not use it, far from who can mend it. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { provisionOf, readUnits } from '../../../../firmware/identity/units.ts'
import { folderFor } from './blank-image.ts'

const unit = { serial: 'PL-1', domain: 'unit.example' }
const fixed = { ...unit, address: '192.0.2.10/24' }

test('files that hold what the unit could not take: refused in one line that names the option', t => {
  const folder = folderFor(t)
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const broken = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'
  for (const [reason, said] of [
    [/^users: line 2: 'bob@other\.example' is not in/, { users: file('u1', 'al,x\nbob@other.example,x\n') }],
    [/^users: line 1: the password of .* is empty/, { users: file('u2', 'al,\n') }],
    [/^users: admin is the first account/, { users: file('u3', 'aor,password\nadmin,mine\n') }],
    [/^users: .* cannot be read \(ENOENT\)/, { users: join(folder, 'none') }],
    [/^dm-bootstrap: .* is empty/, { 'dm-bootstrap': file('empty', '') }],
    [/^authorities: certificates/, { authorities: file('ca', broken) }],
    [/^dm: a server/, { 'dm-server': 'https://', 'dm-user': 'u', 'dm-password': 'p' }],
    [/^dm: a server/, { 'dm-server': 'https://dm.example/', 'dm-user': 'u' }],
  ] as const)
    assert.throws(
      () => provisionOf({ ...unit, ...said }),
      (error: Error) => reason.test(error.message) && !error.message.includes('\n'),
    )
  const marked = provisionOf({ ...unit, users: file('u4', '\ufeffaor,password\r\nbob,known\r\n') })
  assert.equal(marked.users, '\ufeffaor,password\r\nbob,known\r\n')
})

test('an address that would leave the unit out of reach is refused', () => {
  for (const [reason, said] of [
    [/the gateway is another address in the network/, { ...fixed, gateway: '192.0.3.1' }],
    [/the gateway is another address in the network/, { ...fixed, gateway: '192.0.2.10' }],
    [/the gateway is another address in the network/, { ...fixed, gateway: '2001:db8::1' }],
    [/dns servers are addresses/, { ...fixed, dns: '192.0.2.53 dns.example' }],
    [/no address of one machine/, { ...unit, address: '192.0.2.255/24' }],
    [/no address of one machine/, { ...unit, address: '192.0.2.0/24' }],
    [/such as 192\.0\.2\.10/, { ...unit, address: '192.0.2.10' }],
    [/such as 192\.0\.2\.10/, { ...unit, address: '192.0.2.10/33' }],
    [/such as 192\.0\.2\.10/, { ...unit, address: '192.0.2.10/24/8' }],
    [/such as 192\.0\.2\.10/, { ...unit, address: 'fe80::1%eth0/64' }],
    [/gateway and dns go with an address/, { ...unit, gateway: '192.0.2.1' }],
    [/such as example\.org/, { ...unit, domain: 'Example.org' }],
    [/such as example\.org/, { ...unit, domain: '192.0.2.1' }],
    [/such as example\.org/, { ...unit, domain: 'box' }],
    [/serial: /, { ...unit, serial: 'PL_1' }],
  ] as const)
    assert.throws(() => provisionOf(said), { message: reason })
  for (const said of [
    { address: '192.0.2.10/24', gateway: '192.0.2.1', dns: '192.0.2.53, 2001:db8::53' },
    { address: '192.0.2.0/31', gateway: '192.0.2.1' },
    { address: '2001:db8::2/64', gateway: 'fe80::1', dns: '2001:db8::53' },
    { address: '2001:db8::2/64', gateway: '2001:db8::1' },
  ])
    assert.notEqual(provisionOf({ ...unit, ...said }).network, 'dhcp')
})

test('a table with a fault is refused, with the line where it is', t => {
  const csv = join(folderFor(t), 'units.csv')
  const six = 'serial,domain,address\na,a.example,2001:db8::1/64\nb,b.example,2001:db8:0::1/64\n'
  for (const [reason, text] of [
    [
      /two units have the address 192\.0\.2\.1$/,
      `${six.split('\n')[0]}\na,a.example,192.0.2.1/24\nb,b.example,192.0.2.1/25`,
    ],
    [/two units have the address \[2001:db8::1\]/, six],
    [/two units are called pl-7/, 'serial,domain\nPL-7,a.example\npl-7,b.example\n'],
    [/line 2: text follows a closing quote/, 'serial,domain\n"a"b,a.example\n'],
    [/line 2: a quote is not closed/, 'serial,domain\n"a,a.example\n'],
    [/line 3: 3 fields below 2 columns/, 'serial,domain\na,a.example\nb,b.example,c\n'],
    [/two columns are called domain/, 'serial,domain,Domain\na,a.example,b.example\n'],
    [/there is no column colour/, 'serial,colour\na,red\n'],
    [/must name the columns/, ''],
    [/there is no unit in it/, 'serial,domain\n,\n'],
    [/it is no text in UTF-8/, Buffer.from('serial,domain,dm-password\na,a.example,m\xfcller\n', 'latin1')],
    [/line 3: serial/, 'domain,serial\na.example,a\na.example,\n'],
  ] as const) {
    writeFileSync(csv, text)
    assert.throws(
      () => readUnits(csv, {}),
      (error: Error) => error.message.startsWith(csv) && reason.test(error.message),
      text.toString(),
    )
  }
})

test('fields may be quoted, empty at the front, or hold line breaks; a column without a name holds nothing', t => {
  const csv = join(folderFor(t), 'units.csv')
  const text =
    '\ufeffaddress;Serial;domain;dm-server;dm-user;dm-password;;\r\n;a;a.example;https://dm.example/;u;"x;""y""";;\r\n'
  writeFileSync(csv, text)
  const [one] = readUnits(csv, { domain: 'all.example' })
  assert.deepEqual([one!.serial, one!.domain, one!.network], ['a', 'a.example', 'dhcp'])
  assert.deepEqual(one!.dm, { server: 'https://dm.example/', user: 'u', password: 'x;"y"' })
})
