/** The technician's tool on made-up images: every unit is its own, what is written reads back, and no disk in use is written to. */

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { blankImage, folderFor, provisionOn } from '../unit/firmware/identity/blank-image.ts'

const top = resolve(import.meta.dirname, '../..')

function flash(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(join(top, 'scripts/flash'), words, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('one unit: its provisioning, its own disk GUID in both headers, its label; no secret in the log', t => {
  const folder = folderFor(t)
  const log = join(folder, 'log')
  const image = blankImage(folder)
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const adminKey = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  writeFileSync(join(folder, 'admin.pem'), adminKey)
  writeFileSync(join(folder, 'private.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  writeFileSync(join(folder, 'bootstrap.xml'), '<bootstrap/>')
  const given = ['--image', image, '--domain', 'unit.example', '--log', log]
  const address = ['--address', '192.0.2.10/24', '--gateway', '192.0.2.1', '--dns', '192.0.2.53', '--dns', '192.0.2.54']
  const account = ['--dm-server', 'https://dm.example/', '--dm-user', 'u', '--dm-password', 'known to the server']
  const rest = ['--admin', 'keeper', '--admin-key', join(folder, 'admin.pem')]
  const done = flash(...given, '--serial', 'PL-1', '--target', join(folder, 'a.img'), ...address, ...account, ...rest)
  assert.equal(done.status, 0, done.stderr)
  const bootstrap = ['--dm-bootstrap', join(folder, 'bootstrap.xml')]
  assert.equal(flash(...given, '--serial', 'PL-2', '--target', join(folder, 'b.img'), ...bootstrap).status, 0)
  const [blank, a, b] = [image, join(folder, 'a.img'), join(folder, 'b.img')].map(path => readFileSync(path))
  const file = provisionOn(a!)
  assert.equal(file.name, 'provision.json')
  const { serial, domain, admin, network, dm, ...others } = JSON.parse(file.content)
  assert.deepEqual([serial, domain, admin.user], ['PL-1', 'unit.example', 'keeper'])
  assert.match(admin.password, /^([A-Z2-9]{5}-){3}[A-Z2-9]{5}$/)
  assert.deepEqual(network, { address: '192.0.2.10/24', gateway: '192.0.2.1', dns: ['192.0.2.53', '192.0.2.54'] })
  assert.deepEqual(dm, { server: 'https://dm.example/', user: 'u', password: 'known to the server' })
  assert.deepEqual(others, { adminKey })
  const second = JSON.parse(provisionOn(b!).content)
  assert.equal(second.network, 'dhcp')
  assert.equal(Buffer.from(second.dm.bootstrap, 'base64').toString(), '<bootstrap/>')
  assert.notEqual(second.admin.password, admin.password)
  for (const text of ['PL-1', 'unit.example', '192.0.2.10/24', 'keeper@unit.example', admin.password])
    assert.ok(done.stdout.includes(text), text)
  // A corner of the QR code as it is printed, black on white: a quiet zone of four modules, then a square.
  assert.match(done.stdout, /\n {40,}\n {40,}\n {4}█▀▀▀▀▀█ /)
  const logged = readFileSync(log, 'utf8')
  assert.equal(logged.trim().split('\n').length, 2)
  for (const secret of [admin.password, second.admin.password, 'known to the server'])
    assert.ok(!logged.includes(secret))
  // The rest is the image's.
  const same = (copy: Buffer): boolean => copy.subarray(3 * 2 ** 20, -512).equals(blank!.subarray(3 * 2 ** 20, -512))
  assert.ok(same(a!) && same(b!))
  for (const at of [512, blank!.length - 512]) {
    const header = Buffer.from(a!.subarray(at, at + 92))
    const checksum = header.readUInt32LE(16)
    header.writeUInt32LE(0, 16)
    assert.equal(checksum, crc32(header))
    assert.ok(!header.subarray(56, 72).equals(b!.subarray(at + 56, at + 72)))
  }

  const refused = (reason: RegExp, ...words: string[]): void => {
    const target = join(folder, 'refused.img')
    const { status, stderr } = flash(...given, '--serial', 'PL-3', '--target', target, ...words)
    assert.deepEqual([status, stderr.trim().split('\n').length, existsSync(target)], [1, 1, false], stderr)
    assert.match(stderr, reason)
  }
  refused(/adminKey: a public key/, '--admin-key', join(folder, 'private.pem'))
  refused(/go with an address/, '--gateway', '192.0.2.1')
  refused(/two ways/, ...account, ...bootstrap)
  refused(/go with dm-server/, '--dm-user', 'u')
  const again = flash(
    '--image',
    join(folder, 'a.img'),
    '--domain',
    'x.example',
    '--serial',
    'PL-4',
    '--target',
    join(folder, 'c.img'),
  )
  assert.match(again.stderr, /cannot be made a unit's: it is already/)
})

test('fifty units of a CSV file: fifty images, labels and codes; a fault in one line writes none', t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const csv = join(folder, 'units.csv')
  const lines = Array.from(
    { length: 50 },
    (_, index) => `PL-${index},unit${index}.example,"192.0.2.${index + 1}/24",192.0.2.53 192.0.2.54`,
  )
  const heading = 'serial,domain,address,dns'
  const out = join(folder, 'out')
  const words = ['--image', image, '--batch', csv, '--target', out, '--log', join(folder, 'log'), '--admin', 'keeper']
  for (const [wrong, reason] of [
    ['not a serial,x.example,', /unit 51: serial: /],
    ['pl-7,x.example,', /two units are called pl-7/],
    ['PL-51,x.example,,,something more', /5 fields below 4 columns/],
  ] as const) {
    writeFileSync(csv, [heading, ...lines, wrong].join('\n'))
    const refused = flash(...words)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, reason)
    assert.throws(() => readdirSync(out))
  }
  writeFileSync(csv, [heading, ...lines, ''].join('\r\n'))
  const done = flash(...words)
  assert.equal(done.status, 0, done.stderr)
  assert.equal(readdirSync(out).length, 100)
  const codes = new Set<string>()
  const disks = new Set<string>()
  for (let index = 0; index < 50; index++) {
    const written = readFileSync(join(out, `PL-${index}.img`))
    const { serial, domain, network, admin } = JSON.parse(provisionOn(written).content)
    assert.deepEqual(
      [serial, domain, network.dns.length, admin.user],
      [`PL-${index}`, `unit${index}.example`, 2, 'keeper'],
    )
    assert.ok(readFileSync(join(out, `PL-${index}.label.txt`), 'utf8').includes(admin.password))
    assert.equal(statSync(join(out, `PL-${index}.label.txt`)).mode & 0o077, 0, 'a label is its maker’s alone')
    codes.add(admin.password)
    disks.add(written.toString('hex', 568, 584))
  }
  assert.deepEqual([codes.size, disks.size], [50, 50])
  const log = readFileSync(join(folder, 'log'), 'utf8')
  assert.equal(log.trim().split('\n').length, 50)
  for (const code of codes) assert.ok(!log.includes(code))
  assert.match(flash(...words).stderr, /exists already; nothing is written over it/)
})

test('a table of a spreadsheet: a mark before it, semicolons, and what all have in common as an option', t => {
  const folder = folderFor(t)
  const csv = join(folder, 'units.csv')
  writeFileSync(csv, '\ufeffserial;address\r\nPL-1;192.0.2.1/24\r\nPL-2;\r\n;\r\n')
  const words = ['--image', blankImage(folder), '--batch', csv, '--target', folder, '--log', join(folder, 'log')]
  const done = flash(...words, '--domain', 'all.example')
  assert.equal(done.stdout, 'PL-1 written and verified\nPL-2 written and verified\n', done.stderr)
  const second = JSON.parse(provisionOn(readFileSync(join(folder, 'PL-2.img'))).content)
  assert.deepEqual([second.domain, second.network], ['all.example', 'dhcp'])
})

/** A card in a file, undefined where this machine has none to lend. */
function card(t: TestContext, octets: number): string | undefined {
  const path = join(folderFor(t), 'card')
  writeFileSync(path, '')
  truncateSync(path, octets)
  try {
    const device = execFileSync('losetup', ['--find', '--show', path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    t.after(() => execFileSync('losetup', ['--detach', device]))
    return device
  } catch {
    return undefined
  }
}

test('a card: too small, fixed or not confirmed, it is refused; an image that a batch has made is written as it is', t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const device = card(t, 8 * 2 ** 20)
  const small = card(t, 2 ** 20)
  if (device === undefined || small === undefined) return t.skip('this machine lends no loop devices')
  const words = ['--serial', 'PL-1', '--domain', 'unit.example', '--log', join(folder, 'log'), '--image', image]
  assert.match(flash(...words, '--target', device, '--yes').stderr, /cannot be taken out/)
  assert.match(flash(...words, '--target', device, '--fixed-disk').stderr, /was not confirmed: nothing is written/)
  assert.match(flash(...words, '--target', small, '--fixed-disk', '--yes').stderr, /take a larger card/)
  const done = flash(...words, '--target', device, '--fixed-disk', '--yes')
  assert.equal(done.status, 0, done.stderr)
  const written = execFileSync('dd', [`if=${device}`, 'bs=4M', 'count=1', 'status=none'], { maxBuffer: 8 << 20 })
  const { admin } = JSON.parse(provisionOn(written).content)
  assert.ok(done.stdout.includes(admin.password))
  // What a batch has made is put on a card as it is.
  copyFileSync(image, join(folder, 'as-is.img'))
  const log = ['--log', join(folder, 'log')]
  const asIs = flash(
    '--as-is',
    '--image',
    join(folder, 'as-is.img'),
    '--target',
    device,
    '--fixed-disk',
    '--yes',
    ...log,
  )
  assert.equal(asIs.status, 0, asIs.stderr)
  const copied = execFileSync('dd', [`if=${device}`, 'bs=4M', 'count=1', 'status=none'], { maxBuffer: 8 << 20 })
  assert.ok(copied.equals(readFileSync(image)))
  return undefined
})
