/**
 * The unified kernel image: one file that the firmware can start and whose signature covers kernel, initramfs and command line.
 * The command line carries the root hash, so the file fits one root and no other.
 */

import { closeSync, globSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Board } from './board.ts'
import { osRelease, type Verity } from './root.ts'
import { run } from './tools.ts'

/** The kernel's command line of one version. */
export function commandLine(board: Board, version: string, verity: Verity): string {
  return [
    ...board.console.map(name => `console=${name}`),
    ...['loglevel=5', 'panic=10', 'oops=panic', 'lockdown=integrity', 'module.sig_enforce=1'],
    ...[
      'init_on_alloc=1',
      'slab_nomerge',
      'page_alloc.shuffle=1',
      'randomize_kstack_offset=on',
      'vsyscall=none',
      'debugfs=off',
    ],
    ...['fsck.repair=yes', 'systemd.show_status=no', 'rd.systemd.gpt_auto=0'],
    ...(board.commandLine ?? []),
    `porchlight.version=${version}`,
    `porchlight.verity=${verity.dataBlocks},${verity.hashStart},${verity.salt},${verity.rootHash}`,
  ].join(' ')
}

export interface KernelImageParts {
  readonly board: Board
  readonly version: string
  readonly verity: Verity
  /** The unpacked root, with Debian's kernel in its `boot`. */
  readonly root: string
  readonly initramfs: string
  /** Key and certificate (PEM) that the unit's firmware trusts, for Secure Boot. */
  readonly sign?: { readonly key: string; readonly certificate: string }
}

export function makeKernelImage(parts: KernelImageParts, folder: string, path: string): void {
  const { board, version, root } = parts
  if (board.efi === undefined) throw new Error(`the board ${board.name} does not start by UEFI`)
  const kernel = join(root, globSync('boot/vmlinuz-*', { cwd: root })[0] ?? 'boot/vmlinuz')
  const release = join(folder, 'os-release')
  const line = join(folder, 'cmdline')
  writeFileSync(release, osRelease(board, version))
  writeFileSync(line, commandLine(board, version, parts.verity))
  // Sections stand apart from each other in memory; the stub decompresses nothing, so sizes are those of the files.
  const megabyte = 2 ** 20
  const kernelAt = 32 * megabyte
  const initramfsAt = kernelAt + Math.ceil(statSync(kernel).size / megabyte + 16) * megabyte
  const sections = [
    ['.osrel', release, 0x20000],
    ['.cmdline', line, 0x30000],
    ['.linux', kernel, kernelAt],
    ['.initrd', parts.initramfs, initramfsAt],
  ] as const
  rmSync(path, { force: true })
  run(board.efi.objcopy, [
    ...sections.flatMap(([name, file, at]) => [
      ...['--add-section', `${name}=${file}`, '--change-section-vma', `${name}=0x${at.toString(16)}`],
    ]),
    ...[join(root, `usr/lib/systemd/boot/efi/linux${board.efi.suffix}.efi.stub`), path],
  ])
  settle(path)
  if (parts.sign) signEfi(path, parts.sign)
}

/** Signs a file for Secure Boot, in place. The signature holds no time, so it is the same at every build. */
export function signEfi(path: string, { key, certificate }: { key: string; certificate: string }): void {
  run('sbsign', ['--key', key, '--cert', certificate, '--output', path, path])
}

/** The linker's time stamp goes from the PE header, and the checksum is made anew (PE format, Optional Header). */
function settle(path: string): void {
  const bytes = readFileSync(path)
  const header = bytes.readUInt32LE(0x3c)
  const checksumAt = header + 24 + 64
  bytes.writeUInt32LE(0, header + 8)
  bytes.writeUInt32LE(0, checksumAt)
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) {
    sum += at + 1 < bytes.length ? bytes.readUInt16LE(at) : bytes[at]!
    sum = (sum & 0xffff) + (sum >>> 16)
  }
  bytes.writeUInt32LE(sum + bytes.length, checksumAt)
  const descriptor = openSync(path, 'w')
  writeSync(descriptor, bytes)
  closeSync(descriptor)
}
