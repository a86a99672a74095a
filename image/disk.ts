/** The disk image: a partition table and the five file systems in it, written without mounting anything. */

import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Board } from './board.ts'
import {
  blankDiskId,
  diskOctets,
  type PartitionLabel,
  partition,
  partitions,
  sfdiskScript,
  slotOctets,
} from './partitions/layout.ts'
import { run, top } from './tools.ts'

export interface DiskParts {
  readonly board: Board
  readonly version: string
  readonly date: number
  /** The file with squashfs and hash tree. */
  readonly slot: string
  readonly kernelImage: string
  /** systemd-boot. */
  readonly loader: string
}

/** Writes the disk to `path`: the version in slot a and blessed, slot b empty. */
export function makeDisk(parts: DiskParts, folder: string, path: string): void {
  const { slot, date } = parts
  if (statSync(slot).size > slotOctets)
    throw new Error(`the root has ${statSync(slot).size} octets; a slot has ${slotOctets}`)
  rmSync(path, { force: true })
  const descriptor = openSync(path, 'w+')
  ftruncateSync(descriptor, diskOctets)
  closeSync(descriptor)
  run('sfdisk', ['--quiet', '--no-reread', '--no-tell-kernel', path], { input: sfdiskScript(blankDiskId) })
  writeInto(path, 'porchlight-a', slot)
  writeInto(path, 'porchlight-esp', bootPartition(parts, folder))
  writeInto(path, 'porchlight-prov', provisioningPartition(folder, date))
  writeInto(path, 'porchlight-data', dataPartition(folder, date))
}

/** Copies a file to the beginning of a partition of the disk in the file `path`, leaving zeros as holes. */
export function writeInto(path: string, label: PartitionLabel, file: string): void {
  const { start, octets } = partition(label)
  if (statSync(file).size > octets) throw new Error(`${file} does not fit into ${label}`)
  const from = openSync(file, 'r')
  const to = openSync(path, 'r+')
  const buffer = Buffer.alloc(2 ** 20)
  const zeros = Buffer.alloc(2 ** 20)
  for (let at = 0; ; ) {
    const count = readSync(from, buffer, 0, buffer.length, at)
    if (count === 0) break
    if (!buffer.subarray(0, count).equals(zeros.subarray(0, count))) writeSync(to, buffer, 0, count, start + at)
    at += count
  }
  closeSync(from)
  closeSync(to)
}

/** A FAT file system made anew in `path`; the volume id is fixed, and mtools takes file times from the files. */
function makeFat(path: string, label: PartitionLabel, name: string, date: number): void {
  rmSync(path, { force: true })
  const descriptor = openSync(path, 'w')
  ftruncateSync(descriptor, partition(label).octets)
  closeSync(descriptor)
  run('mkfs.fat', ['--invariant', '-i', '50524348', '-n', name, path], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(date) },
  })
}

function bootPartition({ board, version, date, kernelImage, loader }: DiskParts, folder: string): string {
  const path = join(folder, 'esp.img')
  makeFat(path, 'porchlight-esp', 'BOOT', date)
  const tree = join(folder, 'esp')
  rmSync(tree, { recursive: true, force: true })
  for (const name of ['EFI/BOOT', 'EFI/Linux', 'loader']) mkdirSync(join(tree, name), { recursive: true })
  copyFileSync(loader, join(tree, 'EFI/BOOT', board.efi!.boot))
  copyFileSync(kernelImage, join(tree, 'EFI/Linux', `porchlight-${version}.efi`))
  copyFileSync(join(top, 'firmware/boot/loader.conf'), join(tree, 'loader/loader.conf'))
  run('find', [tree, '-exec', 'touch', '-d', `@${date}`, '{}', '+'])
  run('mcopy', ['-s', '-m', '-i', path, join(tree, 'EFI'), join(tree, 'loader'), '::'], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(date), TZ: 'UTC' },
  })
  return path
}

function provisioningPartition(folder: string, date: number): string {
  const path = join(folder, 'prov.img')
  makeFat(path, 'porchlight-prov', 'PROV', date)
  return path
}

function dataPartition(folder: string, date: number): string {
  const path = join(folder, 'data.img')
  const tree = join(folder, 'data')
  rmSync(path, { force: true })
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(join(tree, 'system/systemd'), { recursive: true })
  run('find', [tree, '-exec', 'touch', '-d', `@${date}`, '{}', '+'])
  const octets = partition('porchlight-data').octets
  const seed = partitions.at(-1)!.id
  // Room to grow into: without it resize needs another kind of group descriptor on cards above 128 GB.
  const options = [
    '-E',
    `root_owner=0:0,hash_seed=${seed},lazy_itable_init=0,lazy_journal_init=0`,
    '-U',
    seed,
    '-L',
    'data',
    '-m',
    '1',
  ]
  run('mkfs.ext4', ['-q', '-F', '-d', tree, ...options, path, `${octets / 1024}k`], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(date), E2FSPROGS_FAKE_TIME: String(date) },
  })
  // The folders have come with the time at which their inodes changed here, which no program can set but this one.
  const times = ['system', 'system/systemd'].flatMap(name => [
    `set_inode_field ${name} ctime @${date}`,
    `set_inode_field ${name} ctime_extra 0`,
  ])
  run('debugfs', ['-w', '-f', '-', path], {
    input: `${times.join('\n')}\n`,
    env: { ...process.env, E2FSPROGS_FAKE_TIME: String(date) },
  })
  return path
}
