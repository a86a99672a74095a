/** The initramfs: `firmware/boot/init`, busybox, dmsetup, and the modules that find a disk and open the root on it. */

import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Board } from './board.ts'
import { kernelRelease } from './root.ts'
import { run, top } from './tools.ts'

const applets = [
  ...[
    'sh',
    'mount',
    'umount',
    'cat',
    'echo',
    'sed',
    'grep',
    'find',
    'xargs',
    'sort',
    'head',
    'tr',
    'od',
    'dd',
    'mkdir',
    'mv',
  ],
  ...['readlink', 'sleep', 'sync', 'reboot', 'blockdev', 'modprobe', 'switch_root'],
]

/** Makes the archive at `path` from the furnished `root`, using `folder` for its tree. */
export function makeInitramfs(root: string, folder: string, path: string, board: Board, date: number): void {
  rmSync(folder, { recursive: true, force: true })
  for (const name of ['bin', 'dev', 'proc', 'sys', 'run', 'sysroot', 'esp', 'lib/modules'])
    mkdirSync(join(folder, name), { recursive: true })
  symlinkSync('lib', join(folder, 'lib64'))
  symlinkSync('.', join(folder, 'usr'))
  symlinkSync('bin', join(folder, 'sbin'))
  copyFileSync(join(top, 'firmware/boot/init'), join(folder, 'init'))
  chmodSync(join(folder, 'init'), 0o755)
  copyFileSync(join(root, 'usr/bin/busybox'), join(folder, 'bin/busybox'))
  for (const name of applets) symlinkSync('busybox', join(folder, 'bin', name))
  addProgram(root, 'usr/sbin/dmsetup', folder)
  addModules(root, folder, board)
  pack(folder, path, date)
}

/** A program with the libraries it names, and those that these name. */
function addProgram(root: string, program: string, folder: string): void {
  copyFileSync(join(root, program), join(folder, 'bin', basename(program)))
  const waiting = [join(root, program)]
  const seen = new Set<string>()
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const about = run('readelf', ['-d', '-l', file])
    const names = [...about.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(match => match[1]!)
    const loader = /interpreter: (.+)\]/.exec(about)?.[1]
    if (loader) names.push(basename(loader))
    for (const name of names) {
      if (seen.has(name)) continue
      seen.add(name)
      const [found] = globSync(`usr/lib/{*-linux-gnu,.,..}/${name}`, { cwd: root }).concat(
        globSync(`usr/lib64/${name}`, { cwd: root }),
      )
      if (found === undefined) throw new Error(`${program} needs ${name}, which is not in the root`)
      const real = realpathSync(join(root, found))
      copyFileSync(real, join(folder, 'lib', name))
      waiting.push(real)
    }
  }
}

function addModules(root: string, folder: string, board: Board): void {
  const release = kernelRelease(root)
  const from = join(root, 'usr/lib/modules', release)
  const to = join(folder, 'lib/modules', release)
  mkdirSync(to, { recursive: true })
  const wanted = new Set<string>()
  for (const line of readFileSync(join(from, 'modules.dep'), 'utf8').split('\n')) {
    const [module = '', rest = ''] = line.split(':')
    const name = basename(module)
      .replace(/\.ko.*$/, '')
      .replaceAll('-', '_')
    if (board.initramfsModules.includes(name))
      for (const one of [module, ...rest.trim().split(/\s+/)]) if (one) wanted.add(one)
  }
  for (const module of wanted) {
    mkdirSync(dirname(join(to, module)), { recursive: true })
    copyFileSync(join(from, module), join(to, module))
  }
  for (const file of ['modules.order', 'modules.builtin', 'modules.builtin.modinfo'])
    if (existsSync(join(from, file))) cpSync(join(from, file), join(to, file))
  run('depmod', ['-b', folder, release])
  for (const file of globSync('modules.*.bin', { cwd: to })) rmSync(join(to, file))
  writeFileSync(join(to, 'modules.symbols'), '')
}

/** A cpio archive in a fixed order, with fixed times, owners and inode numbers. */
function pack(folder: string, path: string, date: number): void {
  run('find', [folder, '-exec', 'touch', '-h', '-d', `@${date}`, '{}', '+'])
  run('sh', [
    '-euc',
    'cd "$1"; find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0 | zstd -q -19 -T1 -f -o "$2"',
    'pack',
    folder,
    path,
  ])
}
