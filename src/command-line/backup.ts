/** `porchlight backup`: a copy of the data directory, taken while the box runs or not. */

import { copyFileSync, existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { AdministrationError } from '../administration.ts'
import type { DataPaths } from '../platform/data-paths.ts'
import type { Store } from '../turn.ts'

/** A store that can be copied while it is written. */
interface Copyable extends Store {
  backup(path: string): Promise<void>
}

/** Writes the store and the box's own certificate into the new directory `target`, which then is a data directory. */
export async function backUp(store: Store, paths: DataPaths, target: string): Promise<Record<string, never>> {
  if (!isCopyable(store)) throw new AdministrationError(`there is no data directory ${paths.directory}`)
  if (existsSync(target)) throw new AdministrationError(`${target} exists already; a backup makes a new directory`)
  await store.backup(target)
  for (const file of [paths.certificate, paths.key])
    if (existsSync(file)) copyFileSync(file, join(target, basename(file)))
  return {}
}

function isCopyable(store: Store): store is Copyable {
  return 'backup' in store
}
