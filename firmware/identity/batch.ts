/** Many units: an image and a label for each in one folder. What is broken off can be gone on with. */

import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Provision } from '../../src/platform/provisioning.ts'
import { existsAlready } from './disks.ts'
import { label } from './label.ts'

/**
 * Calls `write` for each unit with where its image belongs and what to do once that is verified; before the image has its name, its
 * label has one. `told` hears of every unit. A unit with both is left as it is when `goesOn`, and an error otherwise, before anything
 * is written.
 */
export async function flashBatch(
  units: readonly Provision[],
  folder: string,
  goesOn: boolean,
  write: (unit: Provision, target: string, verified: () => void) => Promise<void>,
  told: (line: string) => void,
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const waiting = units.filter(({ serial }) => {
    const there = pathsOf(folder, serial).filter(existsSync)
    if (goesOn && there.length === 2) told(`${serial} is there already`)
    else if (there.length > 0) throw existsAlready(there[0]!)
    return there.length === 0
  })
  for (const [index, unit] of waiting.entries()) {
    const [target, label] = pathsOf(folder, unit.serial)
    try {
      await write(unit, target, () => writeLabel(unit, label))
    } catch (error) {
      // The code on a label without an image is nobody's.
      if (!existsSync(target)) rmSync(label, { force: true })
      const left = `${waiting.length - index} of ${units.length} units are still to be written, --go-on does it`
      throw new Error(`${unit.serial}: ${(error as Error).message}; ${left}`)
    }
    told(`${unit.serial} written and verified`)
  }
}

function pathsOf(folder: string, serial: string): readonly [image: string, label: string] {
  return [join(folder, `${serial}.img`), join(folder, `${serial}.label.txt`)]
}

function writeLabel(unit: Provision, path: string): void {
  writeFileSync(`${path}.part`, label(unit), { mode: 0o600 })
  renameSync(`${path}.part`, path)
}
