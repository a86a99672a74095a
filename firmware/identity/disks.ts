/** What the kernel says of disks (sysfs and procfs): which may be written to, what they are, which of them are cards. */

import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * Throws an Error of one line when `path` must not be written: a disk of which something is mounted or used as swap, by the device
 * mapper or as a loop device, a partition, a disk that cannot be taken out, or a file that exists. `sys` and `proc` are for tests.
 */
export function checkTarget(path: string, isFixedAllowed: boolean, sys = '/sys', proc = '/proc'): void {
  if (!existsSync(path)) {
    if (path.startsWith('/dev/')) throw new Error(`there is no ${path}`)
    return
  }
  const real = realpathSync(path)
  if (!statSync(real).isBlockDevice()) {
    if (statSync(real).isFile()) throw existsAlready(path)
    throw new Error(`${path} is neither a file nor a card`)
  }
  checkDisk(basename(real), isFixedAllowed, sys, proc)
}

export function existsAlready(path: string): Error {
  return new Error(`${path} exists already; nothing is written over it`)
}

/** What is used is told by its number as well as by its name: the kernel may call the root's device /dev/root. */
export function checkDisk(name: string, isFixedAllowed: boolean, sys: string, proc: string): void {
  const folder = join(sys, 'block', name)
  if (!existsSync(folder)) throw new Error(`/dev/${name} is a partition; a whole card is written`)
  const parts = [name, ...readdirSync(folder).filter(part => part.startsWith(name))]
  const mounts = readLines(join(proc, 'self/mountinfo')).map(line => line.split(' '))
  const numbers = new Set(mounts.map(fields => fields[2]!))
  const names = new Set([
    ...mounts.map(fields => fields[fields.indexOf('-') + 2]),
    ...readLines(join(proc, 'swaps')).map(line => line.split(/\s/)[0]),
    ...behindLoops(sys),
  ])
  for (const part of parts) {
    const at = part === name ? folder : join(folder, part)
    const number = readLines(join(at, 'dev'))[0]
    if (names.has(`/dev/${part}`) || (number && numbers.has(number)))
      throw new Error(`/dev/${part} is in use: unmount it, if it is the right one at all`)
    const holders = join(at, 'holders')
    if (existsSync(holders) && readdirSync(holders).length > 0)
      throw new Error(`/dev/${part} is in use by ${readdirSync(holders).join(', ')}`)
  }
  if (!isRemovable(folder) && !isFixedAllowed)
    throw new Error(`/dev/${name} cannot be taken out of this machine; --fixed-disk if it is meant all the same`)
}

/** Readers on the memory card bus do not say `removable`; what is soldered there calls itself MMC, cards SD. */
function isRemovable(folder: string): boolean {
  if (readLines(join(folder, 'removable'))[0] === '1') return true
  return basename(folder).startsWith('mmcblk') && readLines(join(folder, 'device/type'))[0] === 'SD'
}

/** What loop devices stand for, which does not count as held. */
function behindLoops(sys: string): string[] {
  const loops = existsSync(join(sys, 'block')) ? readdirSync(join(sys, 'block')) : []
  return loops.flatMap(name => readLines(join(sys, 'block', name, 'loop/backing_file'))[0] ?? [])
}

/** Size of a disk. */
export function octetsOf(path: string, sys = '/sys'): number {
  return Number(readLines(join(sys, 'block', nameOf(path), 'size'))[0]) * 512
}

/** How a person knows a disk again: its size, and who made it. */
export function describeDisk(path: string, sys = '/sys'): string {
  const device = join(sys, 'block', nameOf(path), 'device')
  const words = ['vendor', 'model', 'name'].map(name => readLines(join(device, name))[0]?.trim())
  return [`${(octetsOf(path, sys) / 1e9).toFixed(1)} GB`, ...words.filter(Boolean)].join(' ')
}

/** Cards that are plugged in and that nothing uses. */
export function freeCards(sys = '/sys', proc = '/proc'): string[] {
  return readdirSync(join(sys, 'block')).flatMap(name => {
    try {
      checkDisk(name, false, sys, proc)
      const path = `/dev/${name}`
      return existsSync(path) && octetsOf(path, sys) > 0 && !name.startsWith('sr') ? [path] : []
    } catch {
      return []
    }
  })
}

function nameOf(path: string): string {
  return basename(existsSync(path) ? realpathSync(path) : path)
}

function readLines(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
}
