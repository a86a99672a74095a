/**
 * Debian's part of the root: a minimal system with the packages of `packages/`, as a tar file. It comes from the mirrors that
 * this machine's own apt uses, and is kept between builds as long as the lists say the same.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Board } from './board.ts'
import { readList, run, sha256, top } from './tools.ts'

/** Older base systems are made anew, so that security updates reach an image. */
const suite = 'bookworm'

/** The lines of sources.list for what this machine takes from Debian itself. */
function debianSources(): string[] {
  const format = '$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)'
  const lines = run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']).split('\n')
  const found = lines
    .map(line => line.split(' '))
    .filter(
      ([, codename, component, origin]) => origin === 'Debian' && component === 'main' && codename?.startsWith(suite),
    )
    .map(([uri, codename, component]) => `deb ${uri} ${codename} ${component}`)
  if (found.length === 0) throw new Error(`apt on this machine has no sources of Debian ${suite}: run 'apt-get update'`)
  return [...new Set(found)].sort()
}

/** Makes the tar file, or finds the one made before; `fresh` makes it anew. Returns its path. */
export function debianBase(board: Board, cache: string, date: number, fresh: boolean): string {
  const packages = [...readList(join(top, 'image/packages/base.list')), board.kernelPackage].sort()
  const sources = debianSources()
  const path = join(cache, `debian-${board.architecture}-${sha256(JSON.stringify([packages, date])).slice(0, 12)}.tar`)
  if (existsSync(path) && !fresh) return path
  mkdirSync(cache, { recursive: true })
  const list = join(cache, 'sources.list')
  writeFileSync(list, `${sources.join('\n')}\n`)
  makeForeignPossible(board)
  run(
    'mmdebstrap',
    [
      ...['--variant=minbase', `--architectures=${board.architecture}`, `--include=${packages.join(',')}`],
      // No initramfs of Debian's: under emulation it alone takes minutes, and ours is made from the finished root.
      ...['--dpkgopt=path-exclude=/usr/share/man/*', '--dpkgopt=path-exclude=/usr/share/locale/*', '--quiet'],
      '--aptopt=Acquire::Retries "5"',
      ...[suite, path.replace(/tar$/, 'new.tar'), list],
    ],
    { env: { ...process.env, SOURCE_DATE_EPOCH: String(date), INITRD: 'No', TMPDIR: cache } },
  )
  renameSync(path.replace(/tar$/, 'new.tar'), path)
  return path
}

/** Programs of another architecture run by QEMU, which the kernel must be told once (binfmt_misc). */
function makeForeignPossible(board: Board): void {
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64'
  if (board.architecture === own) return
  const name = { arm64: 'qemu-aarch64', amd64: 'qemu-x86_64' }[board.architecture]
  const folder = '/proc/sys/fs/binfmt_misc'
  if (!existsSync(join(folder, 'register'))) run('mount', ['-t', 'binfmt_misc', 'binfmt_misc', folder])
  if (existsSync(join(folder, name))) return
  const rule = readFileSync(`/usr/lib/binfmt.d/${name}.conf`, 'utf8').trim()
  writeFileSync(join(folder, 'register'), rule)
}
