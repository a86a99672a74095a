/**
 * The hardening that is only seen on a running unit: one boot of a provisioned unit, which a technician asks for its
 * support bundle by a stick. What the kernel and systemd say there is read, and that none of the unit's secrets is in it.
 */

import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import { drawCode } from '../../firmware/identity/personalise.ts'
import { run, top } from '../../image/tools.ts'
import { boxSecret } from '../../src/platform/box-record.ts'
import { SystemRandom } from '../../src/platform/random.ts'
import { openLmdbStore } from '../../src/platform/storage/lmdb.ts'
import { boardName, Guest, imagePath } from './guest.ts'
import { Stick } from './stick.ts'

const timeout = 1_800_000
const folder = join(top, 'build/image', boardName, 'test/hardening')

interface Bundle {
  readonly status: { readonly users: number }
  readonly settings: ReadonlyArray<{ readonly name: string; readonly value: unknown }>
  readonly log: readonly string[]
  readonly kernelLog: readonly string[]
  readonly unit: {
    readonly lockdown: string
    readonly tainted: number
    readonly verity: string
    readonly mounts: readonly string[]
    readonly sysctl: Readonly<Record<string, string>>
    readonly modules: readonly string[]
    readonly watchdogs: ReadonlyArray<{ readonly identity: string; readonly state: string; readonly timeout: string }>
    readonly listening: readonly string[]
    readonly firewall: readonly string[]
    readonly processes: ReadonlyArray<Readonly<Record<string, unknown>>>
    readonly services: ReadonlyArray<{
      readonly name: string
      readonly state: string
      readonly began: number
      readonly ready: number
    }>
    readonly exposure: ReadonlyArray<{ readonly unit: string; readonly exposure: string }>
  }
}

/** Whoever reads the label or the files of the technician knows these. */
const secrets = { code: '', alice: `${drawCode()}-a`, dm: drawCode() }
const adminKey = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()

/** Made by the technician's tool; the code stands on its label. */
function provisioned(path: string): void {
  const files = mkdtempSync(join(tmpdir(), 'porchlight-technician-'))
  const [users, key] = [join(files, 'users.csv'), join(files, 'admin.pem')]
  writeFileSync(users, `sip:alice@box.example,${secrets.alice}\n`)
  writeFileSync(key, adminKey)
  rmSync(path, { force: true })
  try {
    const label = run(join(top, 'scripts/flash'), [
      ...['--image', imagePath(), '--target', path, '--log', join(files, 'flash.log')],
      ...['--serial', 'PL-000077', '--domain', 'box.example', '--users', users, '--admin-key', key],
      ...['--dm-server', 'https://dm.example/', '--dm-user', 'unit-77', '--dm-password', secrets.dm],
    ])
    secrets.code = /^code +(\S+)$/m.exec(label)![1]!
  } finally {
    rmSync(files, { recursive: true, force: true })
  }
}

test('a unit in service is locked down, and its support bundle says so without a secret', { timeout }, async t => {
  const image = join(top, 'build/image', boardName, 'test-hardening.img')
  t.after(() => rmSync(image, { force: true }))
  provisioned(image)
  const guest = await Guest.make(t, 'hardening', image)
  const stick = new Stick(join(folder, 'stick.img'))
  t.after(() => stick.remove())
  stick.put('support-request', { content: '' })
  guest.start()
  await guest.serving()
  await guest.until('porchlight: serving SIP and HTTP')
  await guest.plugIn(stick)
  await guest.eventually(
    'support bundle on the stick',
    async () => stick.has('support.json.gz') && !stick.has('support-request'),
  )
  const text = gunzipSync(stick.readOctets('support.json.gz')).toString()
  writeFileSync(join(folder, 'support.json'), text)
  const bundle = JSON.parse(text) as Bundle
  const { unit } = bundle

  await t.test('the kernel is locked down for integrity and not tainted', () => {
    assert.match(unit.lockdown, /\[integrity\]/)
    assert.equal(unit.tainted, 0)
  })

  await t.test('the root is read-only and verified; nothing that can be written may hold programs', () => {
    const mounts = unit.mounts.map(line => {
      const [source, target, type, options] = line.split(' ')
      return { source, target, type: type!, options: options!.split(',') }
    })
    const root = mounts.find(({ target }) => target === '/')!
    assert.deepEqual([root.source, root.type, root.options[0]], ['/dev/dm-0', 'squashfs', 'ro'])
    assert.match(unit.verity, / verity V/)
    const kinds = ['ext4', 'vfat', 'tmpfs', 'ramfs', 'devtmpfs', 'squashfs']
    for (const { target, type, options } of mounts) {
      if (!kinds.includes(type) || options[0] === 'ro') continue
      for (const option of ['nosuid', 'noexec', ...(type === 'devtmpfs' ? [] : ['nodev'])])
        assert.ok(options.includes(option), `${target} (${type}) is mounted ${options}`)
    }
    const data = mounts.find(({ target }) => target === '/data')!
    assert.deepEqual([data.type, data.options[0]], ['ext4', 'rw'])
  })

  await t.test('every kernel parameter that the image sets is as it sets it', () => {
    const text = readFileSync(join(top, 'image/overlay/usr/lib/sysctl.d/60-porchlight.conf'), 'utf8')
    const wanted = Object.fromEntries(
      [...text.matchAll(/^([a-z][\w.]+) *= *(.*)$/gm)].map(([, name, value]) => [name, value]),
    )
    assert.ok(Object.keys(wanted).length > 30)
    assert.deepEqual(unit.sysctl, wanted)
  })

  await t.test('only the ports that are meant are listened on, and the firewall lets in no others', async () => {
    const open = unit.listening.map(line => {
      const [protocol, , , , local] = line.split(/\s+/)
      const at = local!.lastIndexOf(':')
      const address = local!.slice(0, at)
      const inside = /^(127\.|\[::1\])/.test(address)
      return { protocol, port: Number(local!.slice(at + 1)), inside, by: /"([^"]+)"/.exec(line)?.[1] }
    })
    const outside = open.filter(({ inside }) => !inside).map(({ protocol, port }) => `${protocol} ${port}`)
    // DHCP's replies come to 68 and 546.
    const meant = ['udp 5060', 'tcp 5060', 'tcp 5061', 'tcp 8443', 'udp 68', 'udp 546']
    assert.deepEqual(
      [...new Set(outside)].filter(one => !meant.includes(one)),
      [],
    )
    for (const one of meant.slice(0, 4)) assert.ok(outside.includes(one), one)
    const rules = unit.firewall.map(line => line.trim())
    assert.ok(rules.includes('type filter hook input priority filter; policy drop;'))
    assert.ok(rules.includes('type filter hook forward priority filter; policy drop;'))
    const accepted = rules.filter(rule => /dport/.test(rule) && rule.endsWith('accept'))
    assert.deepEqual(accepted, [
      'udp dport 5060 accept',
      'tcp dport { 5060, 5061, 8443 } accept',
      'udp sport 67 udp dport 68 accept',
      'ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept',
    ])
  })

  await t.test(
    'a port that has a listener and is not meant for outside does not even refuse: the firewall drops it',
    async () => {
      // HTTP without TLS; the emulator accepts the connection on its own and reports what the unit says to it.
      assert.ok(unit.listening.some(line => /^tcp .*:8080\s/.test(line)))
      const answer = await new Promise<string>(resolve => {
        const socket = createConnection(guest.ports.closed, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'))
        socket.setTimeout(4000, () => resolve('silence'))
        for (const event of ['data', 'end', 'error'] as const) socket.on(event, () => resolve(event))
        t.after(() => socket.destroy())
      })
      assert.equal(answer, 'silence')
    },
  )

  await t.test('the firewall is up before any interface and any service that listens', () => {
    const service = (name: string) => unit.services.find(one => one.name === `${name}.service`)!
    const firewall = service('nftables')
    assert.equal(firewall.state, 'active')
    assert.ok(firewall.ready > 0)
    for (const name of ['systemd-networkd', 'systemd-resolved', 'porchlight'])
      assert.ok(
        service(name).began >= firewall.ready,
        `${name} began at ${service(name).began}, nftables was ready at ${firewall.ready}`,
      )
    assert.deepEqual(
      unit.services.filter(({ state }) => state === 'failed').map(({ name }) => name),
      [],
    )
  })

  await t.test(
    'the service is confined: exposure of at most 1.5, its own user, no capabilities, system calls filtered',
    () => {
      const exposure = unit.exposure.find(one => one.unit === 'porchlight.service')!.exposure
      t.diagnostic(`systemd-analyze security porchlight.service on the unit: ${exposure}`)
      assert.ok(Number(exposure) <= 1.5, exposure)
      const box = unit.processes.find(({ user }) => user === 900)!
      assert.deepEqual([box.capabilities, box.noNewPrivileges, box.seccomp], ['0000000000000000', true, true])
      t.diagnostic(`resident memory of the box on the unit: ${box.memory}`)
    },
  )

  await t.test('nobody is asked to log in: no getty, no shell, no ssh runs', () => {
    const names = unit.processes.map(({ name }) => String(name))
    assert.ok(names.includes('systemd'))
    for (const name of names) assert.doesNotMatch(name, /getty|login|ssh|dropbear|telnet/)
    assert.doesNotMatch(guest.said(), /login:|password:/i)
  })

  await t.test('a hardware watchdog is armed', () => {
    assert.ok(
      unit.watchdogs.some(({ state, timeout: seconds }) => state === 'active' && Number(seconds) <= 60),
      JSON.stringify(unit.watchdogs),
    )
  })

  await t.test('the bundle says what helps, and holds no secret of the unit', async () => {
    assert.ok(bundle.status.users === 2 && bundle.log.length > 3 && bundle.kernelLog.length > 100)
    assert.ok(bundle.settings.some(({ name, value }) => name === 'domain' && value === 'box.example'))
    const known = { ...secrets, ...digests(), ...(await secretsWithin(guest)) }
    assert.ok(Object.keys(known).length >= 8)
    for (const [name, secret] of Object.entries(known)) assert.ok(secret.length >= 16 && !text.includes(secret), name)
    assert.doesNotMatch(text, /PRIVATE KEY/)
  })
})

test('two first boots of one image: different keys, and nobody has a password', { timeout }, async t => {
  const certificates: string[] = []
  for (const name of ['first-a', 'first-b']) {
    const guest = await Guest.make(t, name)
    guest.start()
    await guest.serving()
    certificates.push(await publicKeyOf(guest.ports.https))
    await guest.cutPower()
  }
  assert.notEqual(certificates[0], certificates[1])
})

/** What the box keeps in place of a password. */
function digests(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [user, password] of [
    ['admin', secrets.code],
    ['alice', secrets.alice],
  ])
    for (const algorithm of ['md5', 'sha256']) {
      const digest = createHash(algorithm).update(`${user}:box.example:${password}`).digest()
      for (const encoding of ['hex', 'base64'] as const)
        found[`${user} ${algorithm} ${encoding}`] = digest.toString(encoding)
    }
  return found
}

/** What the unit has drawn for itself, read from its data partition after it was switched off. */
async function secretsWithin(guest: Guest): Promise<Record<string, string>> {
  await guest.cutPower()
  const disk = join(folder, 'disk.raw')
  const data = join(folder, 'data.img')
  try {
    run('qemu-img', ['convert', '-O', 'raw', guest.disk, disk])
    const table = JSON.parse(run('sfdisk', ['--json', disk])).partitiontable.partitions as Array<{
      name: string
      start: number
      size: number
    }>
    const { start, size } = table.find(({ name }) => name === 'porchlight-data')!
    run('dd', [
      `if=${disk}`,
      `of=${data}`,
      'bs=1M',
      'iflag=skip_bytes,count_bytes',
      `skip=${start * 512}`,
      `count=${size * 512}`,
      'conv=sparse',
    ])
    // The journal of what was mounted when the power went is played back; 1 says that something was mended.
    run('sh', ['-c', 'e2fsck -fy "$1" >/dev/null 2>&1 || [ $? = 1 ]', 'e2fsck', data])
    rmSync(join(folder, 'store'), { recursive: true, force: true })
    run('debugfs', ['-R', `rdump /store ${folder}`, data])
    // Among the keys that updates are checked against.
    assert.equal(run('debugfs', ['-R', 'cat /system/update-keys/admin.pem', data]), adminKey)
    const key = readFileSync(join(folder, 'store/self-signed-key.pem'), 'utf8').split('\n')[1]!
    const store = await openLmdbStore(join(folder, 'store'))
    const secret = boxSecret(store, new SystemRandom())
    await store.close()
    return { key, secret }
  } finally {
    for (const path of [disk, data, join(folder, 'store')]) rmSync(path, { recursive: true, force: true })
  }
}

/** The public key that TLS shows from outside. */
function publicKeyOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.publicKey.export({ type: 'spki', format: 'pem' }).toString())
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
