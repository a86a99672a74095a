/** The box's part of the root: one JavaScript file, the Node.js that runs it, LMDB and the UDP addon, below `/usr/lib/porchlight`. */

import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Board } from './board.ts'
import { run, top } from './tools.ts'

/** npm packages as the lock file has them, for the board's architecture. */
export function installPackages(board: Board, cache: string): string {
  const folder = join(cache, `npm-${board.node}`)
  mkdirSync(folder, { recursive: true })
  for (const file of ['package.json', 'package-lock.json']) copyFileSync(join(top, file), join(folder, file))
  const target = ['--os=linux', `--cpu=${board.node}`, '--libc=glibc']
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', ...target], {
    cwd: folder,
  })
  return join(folder, 'node_modules')
}

/** What of a package is needed at run time: its modules, its manifest and its licence, and one build of its native part. */
function isNeeded(path: string): boolean {
  const name = basename(path)
  if (/\/(test|tests|benchmark|dependencies|docs)(\/|$)/.test(path.slice(path.indexOf('node_modules')))) return false
  if (name.endsWith('.node')) return name === 'node.napi.glibc.node'
  return !name.includes('.') || /\.(js|cjs|mjs|json)$/.test(name) || /^licen[cs]e/i.test(name)
}

/** Puts the application into the root. */
export function installApplication(
  board: Board,
  packages: string,
  root: string,
  program = join(top, 'src/main.ts'),
): void {
  const place = join(root, 'usr/lib/porchlight')
  mkdirSync(join(place, 'node_modules'), { recursive: true })
  run(join(top, 'node_modules/.bin/esbuild'), [
    ...[program, '--bundle', `--outfile=${join(place, 'porchlight.js')}`, '--platform=node'],
    ...['--format=esm', '--target=node24', '--external:lmdb', '--legal-comments=none', '--log-level=warning'],
  ])
  const tool = (name: string): string => (board.efi?.objcopy ?? 'aarch64-linux-gnu-objcopy').replace('objcopy', name)
  const runtime = join(packages, `node-linux-${board.node}`)
  run(tool('strip'), ['-o', join(place, 'node'), join(runtime, 'bin/node')])
  // As `make build` does it; an image is not made without.
  run(tool('gcc'), [
    ...['-O2', '-std=c11', '-Wall', '-Wextra', '-fPIC', '-fvisibility=hidden', '-shared', '-s', '-Wl,--build-id=none'],
    ...['-o', join(place, 'udp-batch.node'), join(top, 'src/platform/transport/udp-batch/udp-batch.c')],
    ...['-I', join(runtime, 'include/node')],
  ])
  chmodSync(join(place, 'node'), 0o755)
  for (const name of readdirSync(packages)) {
    if (name.startsWith('.') || name.startsWith('node-linux-') || name === 'saxes' || name === 'xmlchars') continue
    cpSync(join(packages, name), join(place, 'node_modules', name), { recursive: true, filter: isNeeded })
  }
  const native = join(place, `node_modules/@lmdb/lmdb-linux-${board.node}/node.napi.glibc.node`)
  if (!existsSync(native)) throw new Error(`npm brought no lmdb for ${board.architecture}`)
  // Found by name when there is no other; ours is the one above.
  rmSync(join(place, 'node_modules/@msgpackr-extract'), { recursive: true, force: true })
}
