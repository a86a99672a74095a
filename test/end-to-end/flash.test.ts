/** The technician's tool on made-up images: every unit is its own, what is written reads back, and no disk in use is written to. */

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { crc32 } from 'node:zlib'
import { writeImage } from '../../firmware/identity/card.ts'
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
    ['not a serial,x.example,', /line 52: serial: /],
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
  // What a batch has made is put on a card as it is, and what is nobody's is not.
  const log = ['--log', join(folder, 'log')]
  const asIs = ['--as-is', '--target', device, '--fixed-disk', '--yes', ...log, '--image']
  assert.match(flash(...asIs, image).stderr, /cannot be written as it is: it is no unit's yet/)
  const made = join(folder, 'PL-2.img')
  assert.equal(flash(...words, '--serial', 'PL-2', '--target', made).status, 0)
  const copied = flash(...asIs, made)
  assert.deepEqual([copied.status, copied.stdout], [0, `${device} written and verified\n`], copied.stderr)
  const found = execFileSync('dd', [`if=${device}`, 'bs=4M', 'count=1', 'status=none'], { maxBuffer: 8 << 20 })
  assert.ok(found.equals(readFileSync(made)))
  return undefined
})

test('a card that somebody else has, or that goes bad while it is written, is told of', async t => {
  const folder = folderFor(t)
  const device = card(t, 8 * 2 ** 20)
  if (device === undefined) return t.skip('this machine lends no loop devices')
  const behind = execFileSync('losetup', ['--noheadings', '--output', 'BACK-FILE', device], { encoding: 'utf8' }).trim()
  const image = blankImage(folder)
  const second = () => writeImage(image, [], device, { progress: () => {} })
  // The first has written all and would read next.
  const first = writeImage(image, [], device, {
    progress: what => {
      if (what !== 'writing') return
      assert.match(flashTo(device).stderr, /in use, perhaps by another scripts\/flash/)
      const descriptor = openSync(behind, 'r+')
      writeSync(descriptor, Buffer.from([1]), 0, 1, 3_000_001)
      closeSync(descriptor)
    },
  })
  await assert.rejects(second(), /in use, perhaps by another scripts\/flash/)
  await assert.rejects(first, /does not read as it was written: take another card/)
  await second()
  return undefined

  function flashTo(target: string) {
    const words = ['--serial', 'PL-1', '--domain', 'unit.example', '--log', join(folder, 'log'), '--image', image]
    return flash(...words, '--target', target, '--fixed-disk', '--yes')
  }
})

test('a batch that is broken off leaves whole units alone, and goes on with the others', t => {
  const folder = folderFor(t)
  const image = blankImage(folder)
  const out = join(folder, 'out')
  const csv = join(folder, 'units.csv')
  writeFileSync(csv, 'serial,domain\nPL-1,one.example\nPL-2,two.example\nPL-3,three.example\n')
  const words = ['--image', image, '--batch', csv, '--target', out, '--log', join(folder, 'log')]
  // The label of the second has no room.
  mkdirSync(join(out, 'PL-2.label.txt.part'), { recursive: true })
  const broken = flash(...words)
  assert.equal(broken.status, 1)
  assert.match(broken.stderr, /^flash: PL-2: .*; 2 of 3 units are still to be written, --go-on does it\n$/)
  assert.deepEqual(readdirSync(out).sort(), ['PL-1.img', 'PL-1.label.txt', 'PL-2.label.txt.part'])
  rmdirSync(join(out, 'PL-2.label.txt.part'))
  const first = readFileSync(join(out, 'PL-1.label.txt'), 'utf8')
  assert.match(flash(...words).stderr, /PL-1\.img exists already/)
  const done = flash(...words, '--go-on')
  assert.deepEqual(done.stdout.split('\n').slice(0, 3), [
    'PL-1 is there already',
    'PL-2 written and verified',
    'PL-3 written and verified',
  ])
  assert.equal(readFileSync(join(out, 'PL-1.label.txt'), 'utf8'), first)
  assert.equal(readdirSync(out).length, 6)
  // A label without its image may be that of a unit that is on its way.
  rmSync(join(out, 'PL-3.img'))
  assert.match(flash(...words, '--go-on').stderr, /PL-3\.label\.txt exists already/)
  assert.equal(readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').length, 3)
})

test('wrong use is one line and no trace; what is not seen on a terminal is told in a few lines', t => {
  const folder = folderFor(t)
  const target = join(folder, 'x.img')
  const unit = ['--image', blankImage(folder), '--serial', 'PL-1', '--domain', 'unit.example', '--target', target]
  for (const [status, reason, ...words] of [
    [2, /^flash: Unknown option '--foo'; see --help\n$/, '--foo'],
    [1, /^flash: the log \/proc\/none cannot be written \(ENOENT\)\n$/, '--log', '/proc/none'],
    [1, /^flash: domain: .*\n$/, '--log', join(folder, 'log'), '--domain', 'Unit.example'],
  ] as const) {
    const refused = flash(...unit, ...words)
    assert.deepEqual([refused.status, existsSync(target)], [status, false], refused.stderr)
    assert.match(refused.stderr, reason)
  }
  const made = flash(...unit, '--log', join(folder, 'log'))
  assert.deepEqual([made.status, made.stderr], [0, 'PL-1: writing 100 %\nPL-1: verifying 100 %\n'])
})
