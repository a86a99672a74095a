/**
 * The root file system: Debian's base, the overlay and the application, less what a unit has no use for; as a squashfs with
 * its dm-verity tree behind it. The same input gives the same octets.
 */

import {
  appendFileSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { installApplication } from './application.ts'
import type { Board } from './board.ts'
import { readList, run, sha256, top } from './tools.ts'

/** The user the box runs as. */
const userId = 900

export interface RootOptions {
  readonly board: Board
  readonly version: string
  readonly date: number
  /** Where update bundles are checked against: PEM of a public key. */
  readonly updateKey: string
  /** A program in place of the box's own. */
  readonly application?: string | undefined
  /** A folder laid over the root last. */
  readonly overlay?: string | undefined
}

/** Unpacks Debian's base into an empty `root`. */
export function unpackBase(base: string, root: string): void {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root, { recursive: true })
  run('tar', ['-C', root, '--exclude=./dev/*', '--no-same-owner', '-xf', base])
  run('chmod', ['-R', 'u+rwX', root])
}

export function kernelRelease(root: string): string {
  const found = globSync('usr/lib/modules/*', { cwd: root })
  if (found.length !== 1) throw new Error(`there are ${found.length} kernels in the root`)
  return found[0]!.slice('usr/lib/modules/'.length)
}

/** Everything that makes Debian's base this product's root, but for what the boot files still need (`removeUnneeded`). */
export function furnish(root: string, packages: string, options: RootOptions): void {
  const { board, version, date } = options
  keepModules(root, board)
  installApplication(board, packages, root, options.application)
  for (const overlay of [join(top, 'image/overlay'), options.overlay ?? []].flat())
    cpSync(overlay, root, { recursive: true, verbatimSymlinks: true, force: true })
  const user = `porchlight:x:${userId}:${userId}:Porchlight:/data/store:/usr/sbin/nologin\n`
  appendFileSync(join(root, 'etc/passwd'), user)
  appendFileSync(join(root, 'etc/group'), `porchlight:x:${userId}:\n`)
  appendFileSync(join(root, 'etc/shadow'), 'porchlight:!*:20000::::::\n')
  lockPasswords(root)
  mkdirSync(join(root, 'usr/lib/porchlight/update-keys'), { recursive: true })
  writeFileSync(join(root, 'usr/lib/porchlight/update-keys/release.pem'), options.updateKey)
  rmSync(join(root, 'etc/os-release'), { force: true })
  writeFileSync(join(root, 'usr/lib/os-release'), osRelease(board, version))
  symlinkSync('../usr/lib/os-release', join(root, 'etc/os-release'))
  // A clock that knows nothing begins at this file's date (systemd's clock-epoch), so certificates are never from the future.
  writeFileSync(join(root, 'usr/lib/clock-epoch'), '')
  utimesSync(join(root, 'usr/lib/clock-epoch'), date, date)
}

/** No account has a password: nobody logs in. */
function lockPasswords(root: string): void {
  const path = join(root, 'etc/shadow')
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/^([^:]+):[^:]*:\d*:/gm, '$1:!*:20000:'))
}

export function osRelease(board: Board, version: string): string {
  return [
    'ID=porchlight',
    'ID_LIKE=debian',
    'NAME=Porchlight',
    `PRETTY_NAME="Porchlight ${version}"`,
    `VERSION_ID=${version}`,
    'IMAGE_ID=porchlight',
    `IMAGE_VERSION=${version}`,
    `PORCHLIGHT_BOARD=${board.name}`,
    '',
  ].join('\n')
}

/** Of the kernel's modules stay the board's, with all that they need. */
function keepModules(root: string, board: Board): void {
  const release = kernelRelease(root)
  const folder = join(root, 'usr/lib/modules', release)
  const needs = new Map<string, string[]>()
  for (const line of readFileSync(join(folder, 'modules.dep'), 'utf8').split('\n')) {
    const [module = '', rest = ''] = line.split(':')
    if (module) needs.set(module, rest.trim().split(/\s+/).filter(Boolean))
  }
  const isChosen = (module: string): boolean =>
    board.kernelModules.some(path => module === `kernel/${path}` || module.startsWith(`kernel/${path}/`))
  const kept = new Set<string>()
  for (const [module, others] of needs) if (isChosen(module)) for (const one of [module, ...others]) kept.add(one)
  for (const module of needs.keys()) if (!kept.has(module)) rmSync(join(folder, module), { force: true })
  run('find', [folder, '-type', 'd', '-empty', '-delete'])
  run('depmod', ['-b', root, release])
}

/** Takes away what `packages/removed.list` names, set-id bits, and what would differ from build to build. */
export function removeUnneeded(root: string): void {
  for (const pattern of readList(join(top, 'image/packages/removed.list')))
    for (const path of globSync(pattern, { cwd: root })) rmSync(join(root, path), { recursive: true, force: true })
  // The licences stay, the rest of the documentation goes.
  run('find', [join(root, 'usr/share/doc'), '-type', 'f', '!', '-name', 'copyright', '-delete'])
  run('find', [join(root, 'usr/share/doc'), '-type', 'd', '-empty', '-delete'])
  run('find', [root, '-xdev', '-type', 'f', '-perm', '/6000', '-exec', 'chmod', 'a-s', '{}', '+'])
  run('find', [root, '-xdev', '-name', '__pycache__', '-prune', '-exec', 'rm', '-r', '{}', '+'])
  removeDangling(root)
  for (const name of ['dev', 'proc', 'sys', 'run', 'tmp', 'var', 'data', 'efi', 'mnt'])
    mkdirSync(join(root, name), { recursive: true })
  // Where the system's own machine-id and resolver's file are put at run time.
  writeFileSync(join(root, 'etc/machine-id'), '')
  writeFileSync(join(root, 'etc/hostname'), 'porchlight\n')
  symlinkSync('/run/systemd/resolve/resolv.conf', join(root, 'etc/resolv.conf'))
  symlinkSync('../proc/self/mounts', join(root, 'etc/mtab'))
  // The overlay's files come with this machine's umask.
  run('chmod', ['-R', 'u=rwX,go=rX', root])
}

/** Links that lead to what was removed. */
function removeDangling(root: string): void {
  for (const path of globSync('{usr/bin,usr/sbin,etc/alternatives,usr/lib/systemd/system}/**', { cwd: root })) {
    const link = join(root, path)
    if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) continue
    const target = run('readlink', [link]).trim()
    if (target === '/dev/null' || target.startsWith('/run/') || target.startsWith('/proc/')) continue
    const real = target.startsWith('/') ? join(root, target) : join(dirname(link), target)
    if (!relative(root, real).startsWith('..') && !lstatSync(real, { throwIfNoEntry: false })) rmSync(link)
  }
}

export interface Verity {
  readonly dataBlocks: number
  /** Where the tree begins, in blocks of 4096 octets. */
  readonly hashStart: number
  readonly salt: string
  readonly rootHash: string
}

/** Packs `root` into `path`. `quick` packs less tightly, in a twentieth of the time. */
export function packRoot(root: string, path: string, { date, version, board }: RootOptions, quick: boolean): Verity {
  rmSync(path, { force: true })
  run(
    'mksquashfs',
    [
      ...[root, path, '-comp', 'zstd', '-Xcompression-level', quick ? '6' : '19', '-b', quick ? '128K' : '256K'],
      ...['-all-root', '-no-xattrs', '-no-exports', '-noappend', '-no-progress', '-quiet'],
      ...['-mkfs-time', String(date), '-all-time', String(date)],
    ],
    { env: { ...process.env, SOURCE_DATE_EPOCH: undefined } },
  )
  const size = statSync(path).size
  if (size % 4096 !== 0) throw new Error(`${path} has ${size} octets, which is no number of blocks`)
  const salt = sha256(`porchlight ${board.name} ${version}`)
  const output = run('veritysetup', [
    ...['format', path, path, `--hash-offset=${size}`, '--no-superblock', '--hash=sha256', `--salt=${salt}`],
    ...['--data-block-size=4096', '--hash-block-size=4096', `--data-blocks=${size / 4096}`],
  ])
  const rootHash = /^Root hash:\s*([0-9a-f]{64})$/m.exec(output)?.[1]
  if (rootHash === undefined || !existsSync(path)) throw new Error(`veritysetup said: ${output}`)
  return { dataBlocks: size / 4096, hashStart: size / 4096, salt, rootHash }
}
