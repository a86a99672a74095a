/** What the update agent works on, on a unit: its slots, its boot partition and its identity (`image/` says how it is made). */

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { readKeys, type UpdateTarget } from './agent.ts'

/** At a place of its own: the health unit mounts and unmounts `/efi` whenever it has to. */
function withBootPartition<T>(device: string, place: string, work: (folder: string) => T): T {
  mkdirSync(place, { recursive: true })
  execFileSync('mount', ['-t', 'vfat', '-o', 'nosuid,nodev,noexec,noatime,umask=0077,sync', device, place])
  try {
    return work(join(place, 'EFI', 'Linux'))
  } finally {
    execFileSync('umount', [place])
  }
}

/** The unit this process runs on. Throws an Error of one line when it is none. */
export function thisUnit(folder: string): UpdateTarget {
  const running = '/run/porchlight/slot'
  if (!existsSync(running)) throw new Error('updates are for units that run the image; here the box runs without it')
  const about = new Map(
    readFileSync('/etc/os-release', 'utf8')
      .split('\n')
      .map(line => line.split('=') as [string, string]),
  )
  const otherSlot = (): string => {
    const own = realpathSync(readFileSync(running, 'utf8').trim())
    const slots = ['a', 'b'].map(name => realpathSync(`/dev/disk/by-partlabel/porchlight-${name}`))
    if (!slots.includes(own)) throw new Error(`the running slot ${own} is none of ${slots.join(' and ')}`)
    return slots.find(slot => slot !== own)!
  }
  return {
    folder,
    board: about.get('PORCHLIGHT_BOARD') ?? '',
    version: about.get('IMAGE_VERSION') ?? '',
    keys: ['/usr/lib/porchlight/update-keys', join(folder, '../system/update-keys')].flatMap(readKeys),
    otherSlot,
    slotOctets: () => Number(execFileSync('blockdev', ['--getsize64', otherSlot()])),
    dropCaches: device => execFileSync('blockdev', ['--flushbufs', device]),
    withKernelImages: work => withBootPartition('/dev/disk/by-partlabel/porchlight-esp', '/run/porchlight/esp', work),
  }
}
