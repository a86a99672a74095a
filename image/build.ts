/**
 * `make image` and `make bundle`: builds the image of a board from Debian's packages, the sources and the overlay. Below the
 * output folder it leaves the disk image, the slot and kernel image of which it and the update bundle are made, and the SBOM.
 * `base` only fetches what the mirrors have for it, and keeps that.
 */

import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages } from './application.ts'
import { boardNames, readBoard } from './board.ts'
import { debianBase } from './debian.ts'
import { makeDisk } from './disk.ts'
import { makeInitramfs } from './initramfs.ts'
import { makeKernelImage, signEfi } from './kernel-image.ts'
import { furnish, packRoot, removeUnneeded, unpackBase } from './root.ts'
import { cycloneDx, debianComponents, npmComponents } from './sbom.ts'
import { productVersion, sha256OfFile, sourceDate, step, top } from './tools.ts'
import { writeBundle } from './update/write-bundle.ts'

/** What the root may take of a slot and of a download. */
const rootLimitOctets = 140 * 2 ** 20

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    board: { type: 'string', default: 'amd64' },
    version: { type: 'string', default: productVersion() },
    /** Below it everything is made; a second build elsewhere must give the same. */
    out: { type: 'string', default: join(top, 'build/image') },
    /** Kept between builds: Debian's base and npm packages. */
    cache: { type: 'string', default: join(top, 'build/image/cache') },
    /** PEM of the private key (Ed25519) that bundles are signed with. Made when there is none. */
    key: { type: 'string', default: join(top, 'build/keys/update.pem') },
    'secure-boot-key': { type: 'string' },
    'secure-boot-certificate': { type: 'string' },
    /** The oldest version that may be installed over this one. */
    floor: { type: 'string', default: '0.0.0' },
    /** A program in place of the box's: for tests of versions that do not serve. */
    application: { type: 'string' },
    /** A folder laid over the root last: for tests that look at a unit from within. */
    overlay: { type: 'string' },
    quick: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
  },
})

/** The files one version of one board consists of. */
function namesFor(board: string, version: string, out: string) {
  const folder = resolve(out, board)
  const name = join(folder, `porchlight-${board}-${version}`)
  return {
    folder,
    disk: `${name}.img`,
    slot: `${name}.slot`,
    kernel: `${name}.efi`,
    sbom: `${name}.cdx.json`,
    bundle: `${name}.bundle`,
  }
}

/** The private key at `path`, made if need be: for releases it is kept elsewhere and given by KEY. */
function signingKey(path: string): { privateKey: string; publicKey: string } {
  if (!existsSync(path)) {
    const pair = generateKeyPairSync('ed25519')
    mkdirSync(resolve(path, '..'), { recursive: true })
    writeFileSync(path, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    writeFileSync(`${path}.pub`, pair.publicKey.export({ type: 'spki', format: 'pem' }))
    process.stdout.write(`made a signing key: ${path}\n`)
  }
  return { privateKey: readFileSync(path, 'utf8'), publicKey: readFileSync(`${path}.pub`, 'utf8') }
}

async function buildImage(): Promise<void> {
  const { version, out, cache, quick, fresh } = values
  const board = readBoard(values.board)
  if (board.efi === undefined)
    throw new Error(`${board.description}; there is no image to flash yet (firmware/boards/${board.name}/README.md)`)
  const date = sourceDate()
  const names = namesFor(board.name, version, out)
  const work = join(names.folder, 'work')
  const root = join(work, 'root')
  mkdirSync(work, { recursive: true })
  writeFileSync(join(work, 'source-date'), `${date}\n`)
  const { publicKey } = signingKey(values.key)
  const options = {
    board,
    version,
    date,
    updateKey: publicKey,
    application: values.application,
    overlay: values.overlay,
  }
  const [key, certificate] = [values['secure-boot-key'], values['secure-boot-certificate']]
  const sign = key !== undefined && certificate !== undefined ? { key, certificate } : undefined

  const base = step('Debian packages', () => debianBase(board, cache, date, fresh))
  const packages = step('npm packages', () => installPackages(board, cache))
  step('unpack', () => unpackBase(base, root))
  const components = [...debianComponents(root), ...npmComponents(packages)]
  step('overlay, application, kernel modules', () => furnish(root, packages, options))
  const initramfs = join(work, 'initramfs.zst')
  step('initramfs', () => makeInitramfs(root, join(work, 'initramfs'), initramfs, board, date))
  // The boot files outlive the root's cleaning.
  const loader = join(work, 'loader.efi')
  copyFileSync(join(root, `usr/lib/systemd/boot/efi/systemd-boot${board.efi.suffix}.efi`), loader)
  if (sign) signEfi(loader, sign)
  const bootFiles = join(work, 'boot-files')
  rmSync(bootFiles, { recursive: true, force: true })
  mkdirSync(join(bootFiles, 'usr/lib/systemd'), { recursive: true })
  renameSync(join(root, 'boot'), join(bootFiles, 'boot'))
  renameSync(join(root, 'usr/lib/systemd/boot'), join(bootFiles, 'usr/lib/systemd/boot'))
  step('remove what is not needed', () => removeUnneeded(root))
  const verity = step(`squashfs and verity${quick ? ' (quick)' : ''}`, () => packRoot(root, names.slot, options, quick))
  step('kernel image', () =>
    makeKernelImage(
      { board, version, verity, root: bootFiles, initramfs, ...(sign ? { sign } : {}) },
      work,
      names.kernel,
    ),
  )
  step('disk', () =>
    makeDisk({ board, version, date, slot: names.slot, kernelImage: names.kernel, loader }, work, names.disk),
  )
  writeFileSync(names.sbom, cycloneDx(board.name, version, date, components))
  const size = statSync(names.slot).size
  const sizes = { root: size, kernelImage: statSync(names.kernel).size, initramfs: statSync(initramfs).size }
  const shown = Object.entries(sizes).map(([name, octets]) => `${name} ${(octets / 2 ** 20).toFixed(1)} MiB`)
  process.stdout.write(`${shown.join(', ')}, ${components.length} packages\n`)
  for (const path of [names.disk, names.slot, names.kernel, names.sbom])
    process.stdout.write(`${await sha256OfFile(path)}  ${path}\n`)
  if (size > rootLimitOctets) throw new Error(`the root has ${size} octets; it may have ${rootLimitOctets}`)
}

async function buildBundle(): Promise<void> {
  const { version, out, floor } = values
  const board = readBoard(values.board)
  const names = namesFor(board.name, version, out)
  if (!existsSync(names.slot)) await buildImage()
  const { privateKey } = signingKey(values.key)
  const application = join(names.folder, 'work/root/usr/lib/porchlight/porchlight.js')
  await writeBundle({ ...names, board: board.name, version, floor, application, privateKey }, names.bundle)
  process.stdout.write(`${await sha256OfFile(names.bundle)}  ${names.bundle}\n`)
}

/** All that a build takes from elsewhere, so that a fault of a mirror is told from one of ours. */
async function fetchBase(): Promise<void> {
  const board = readBoard(values.board)
  step('Debian packages', () => debianBase(board, values.cache, sourceDate(), values.fresh))
  step('npm packages', () => installPackages(board, values.cache))
}

const work: Readonly<Record<string, () => Promise<void>>> = { image: buildImage, bundle: buildBundle, base: fetchBase }
const wanted = work[positionals[0] ?? '']
if (wanted === undefined) {
  process.stderr.write(`image|bundle|base [--board ${boardNames().join('|')}]\n`)
  process.exit(2)
}
try {
  await wanted()
} catch (error) {
  process.stderr.write(`${positionals[0]} ${values.board}: ${(error as Error).message}\n`)
  process.exit(1)
}
