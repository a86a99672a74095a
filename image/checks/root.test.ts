/** `make image-check`: the hardening that can be read off a built image, row by row; what must be seen running is in `test/image`. */

import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBoard } from '../board.ts'
import { partition, partitions } from '../partitions/layout.ts'
import { productVersion, run, top } from '../tools.ts'

const board = readBoard(process.env.BOARD ?? 'amd64')
const version = productVersion()
const folder = join(top, 'build/image', board.name)
const files = join(folder, `porchlight-${board.name}-${version}`)
const root = join(folder, 'work/root')
const scripts = globSync('usr/lib/porchlight/*', { cwd: join(top, 'image/overlay') }).map(name =>
  join(top, 'image/overlay', name),
)
const commandLine = readFileSync(join(folder, 'work/cmdline'), 'utf8')

test('the root is verified: every block of the slot agrees with the hash in the kernel image', () => {
  const [blocks, start, salt, hash] = /porchlight\.verity=(\S+)/.exec(commandLine)![1]!.split(',')
  const words = [
    'verify',
    `${files}.slot`,
    `${files}.slot`,
    hash!,
    `--hash-offset=${Number(start) * 4096}`,
    '--no-superblock',
  ]
  run('veritysetup', [
    ...words,
    '--hash=sha256',
    `--salt=${salt}`,
    `--data-blocks=${blocks}`,
    '--data-block-size=4096',
    '--hash-block-size=4096',
  ])
})

test('nothing is set-uid or set-gid, all belongs to root, and there are no extended attributes that grant capabilities', () => {
  const listing = run('unsquashfs', ['-lln', `${files}.slot`])
    .split('\n')
    .filter(line => /^[-dlcbps][rwxsStT-]{9} /.test(line))
  assert.ok(listing.length > 3000)
  assert.deepEqual(
    listing.filter(line => /^.(..[sS]|.{5}[sS])/.test(line)),
    [],
  )
  assert.deepEqual(
    listing.filter(line => !/^\S+ 0\/0 /.test(line)),
    [],
  )
  assert.match(run('unsquashfs', ['-s', `${files}.slot`]), /Xattrs are not stored/)
})

test('nobody can log in: no password, no getty, no ssh, no program that asks for either', () => {
  const open = readFileSync(join(root, 'etc/shadow'), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !/^[^:]+:[!*]/.test(line))
  assert.deepEqual(open, [])
  for (const unit of [
    'getty@',
    'serial-getty@',
    'autovt@',
    'container-getty@',
    'console-getty',
    'debug-shell',
    'rescue',
  ])
    assert.equal(readlinkSync(join(root, `etc/systemd/system/${unit}.service`)), '/dev/null', unit)
  for (const name of ['sshd', 'agetty', 'login', 'su', 'sulogin', 'passwd', 'sudo', 'dropbear', 'telnetd'])
    assert.deepEqual(globSync(`usr/{bin,sbin}/${name}`, { cwd: root }), [])
})

test('nothing can be installed: no package manager, no interpreter but those of the unit itself', () => {
  for (const name of ['apt', 'apt-get', 'dpkg', 'perl', 'python3', 'gcc', 'npm', 'curl', 'wget', 'nc'])
    assert.deepEqual(globSync(`usr/{bin,sbin}/${name}`, { cwd: root }), [])
})

test('the kernel is locked down and takes no module that is not signed', () => {
  for (const word of ['lockdown=integrity', 'module.sig_enforce=1', 'init_on_alloc=1', 'slab_nomerge', 'panic=10'])
    assert.ok(commandLine.split(' ').includes(word), word)
})

test('the firewall is accepted by nft, drops by default, and the service does not start without it', () => {
  const rules = join(root, 'etc/nftables.conf')
  run('unshare', ['-rn', 'nft', '-c', '-f', rules])
  assert.match(readFileSync(rules, 'utf8'), /hook input priority filter; policy drop;/)
  assert.match(
    readFileSync(join(root, 'usr/lib/systemd/system/porchlight.service'), 'utf8'),
    /^Requires=nftables\.service/m,
  )
  assert.ok(readdirSync(join(root, 'usr/lib/systemd/system/sysinit.target.wants')).includes('nftables.service'))
})

test('the service is confined: exposure of at most 1.5 by systemd-analyze security', () => {
  const unit = join(root, 'usr/lib/systemd/system/porchlight.service')
  const report = run('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=15', unit])
  assert.match(report, /Overall exposure level for porchlight\.service: (0\.\d|1\.[0-5]) /)
})

test('the scripts of the unit are sound shell', {
  skip: !existsSync('/usr/bin/shellcheck') && 'shellcheck is not installed',
}, () => {
  run('shellcheck', ['--severity=warning', join(top, 'firmware/boot/init'), ...scripts])
})

test('the hardware watchdog is armed, the journal wears no flash, data holds no programs', () => {
  assert.match(
    readFileSync(join(root, 'usr/lib/systemd/system.conf.d/watchdog.conf'), 'utf8'),
    /^RuntimeWatchdogSec=\d+/m,
  )
  assert.match(
    readFileSync(join(root, 'usr/lib/systemd/journald.conf.d/porchlight.conf'), 'utf8'),
    /^Storage=volatile/m,
  )
  for (const line of readFileSync(join(root, 'etc/fstab'), 'utf8')
    .split('\n')
    .filter(one => /^(\/|tmpfs)/.test(one)))
    for (const option of ['nosuid', 'nodev', 'noexec']) assert.ok(line.includes(option), line)
})

test('the disk is divided as the layout says', () => {
  const table = JSON.parse(run('sfdisk', ['--json', `${files}.img`])).partitiontable.partitions as Array<{
    name: string
    start: number
    size: number
  }>
  assert.deepEqual(
    table.map(({ name, start, size }) => [name, start * 512, size * 512]),
    partitions.map(({ label, start, octets }) => [label, start, octets]),
  )
  assert.match(
    run('mdir', ['-b', '-i', `${files}.img@@${partition('porchlight-esp').start}`, '::/EFI/Linux']),
    new RegExp(`porchlight-${version}\\.efi`),
  )
})

test('the root takes at most 140 MiB', () => {
  assert.ok(statSync(`${files}.slot`).size <= 140 * 2 ** 20)
})

test('the bill of materials is CycloneDX 1.5 and names what is in it, Debian and npm', () => {
  const bill = JSON.parse(readFileSync(`${files}.cdx.json`, 'utf8'))
  assert.deepEqual([bill.bomFormat, bill.specVersion, bill.version], ['CycloneDX', '1.5', 1])
  assert.match(bill.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.match(bill.metadata.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/)
  assert.deepEqual([bill.metadata.component.type, bill.metadata.component.version], ['firmware', version])
  const components = bill.components as Array<Record<string, string> & { licenses?: Array<{ license: object }> }>
  // What the schema lets a component have, and how a package URL is written.
  const known = ['type', 'bom-ref', 'name', 'version', 'purl', 'supplier', 'licenses']
  for (const component of components) {
    assert.deepEqual(
      Object.keys(component).filter(name => !known.includes(name)),
      [],
    )
    assert.equal(component.type, 'library')
    assert.ok(component.name && component.version)
    assert.match(
      component.purl!,
      /^pkg:(deb\/debian\/[\w.%+-]+@[\w.%~+-]+\?arch=(all|amd64|arm64)|npm\/(%40[a-z0-9-]+\/)?[a-z0-9.-]+@[\w.+-]+)$/,
    )
    for (const { license } of component.licenses ?? []) assert.deepEqual(Object.keys(license), ['name'])
  }
  const references = components.map(component => component['bom-ref'])
  assert.equal(new Set(references).size, references.length, 'each is there once')
  const names = components.map(({ name }) => name)
  for (const name of ['systemd', 'nftables', 'libc6', 'lmdb', 'saxes', `node-linux-${board.node}`])
    assert.ok(names.includes(name), name)
  assert.ok(
    names.some(name => /^linux-image-\d/.test(name!)),
    'the kernel',
  )
})
