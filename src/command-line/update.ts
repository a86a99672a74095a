/** `porchlight update` and `porchlight migrate`: what a unit's own services run. Root's, since they write slots. */

import { execFileSync } from 'node:child_process'
import { existsSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { dataPaths } from '../platform/data-paths.ts'
import { openLmdbStore } from '../platform/storage/lmdb.ts'
import { currentFormat } from '../platform/storage/migrations/index.ts'
import { UpdateAgent } from '../platform/update/agent.ts'
import { UpdateFolder } from '../platform/update/state.ts'
import { thisUnit } from '../platform/update/unit.ts'
import { UsageError } from './arguments.ts'
import { version } from './version.ts'

/** Beside the store, where the store's user cannot write. */
function folderFor(data: string): string {
  return join(dirname(resolve(data)), 'update')
}

/** Installs a bundle; what is installed is tried at the next start. */
export async function installUpdate(data: string, source: string): Promise<number> {
  const installed = await new UpdateAgent(thisUnit(folderFor(data))).install(source)
  process.stdout.write(`installed version ${installed}; the next start tries it\n`)
  return 0
}

/** Does what was asked for in `requests`, and restarts the unit when a version waits to be tried. */
export async function runUpdates(data: string): Promise<number> {
  const folder = folderFor(data)
  const requests = new UpdateFolder(folder).requests()
  const last = requests.pop()
  // Who asks again means the newer one.
  for (const earlier of requests) earlier.done()
  if (last === undefined) return 0
  try {
    const agent = new UpdateAgent(thisUnit(folder))
    const installed = await agent.install(last.source, { isPatient: true, committing: last.done })
    process.stdout.write(`installed version ${installed}; the next start tries it\n`)
  } finally {
    last.done()
  }
  // Without logind, which systemctl would ask first for a plain reboot.
  execFileSync('systemctl', ['--no-block', '--job-mode=replace-irreversibly', 'start', 'reboot.target'])
  return 0
}

/** After a start: `served` when the box has answered; else before it starts, to take its data back after a rollback. */
export async function settleUpdate(data: string, served: boolean): Promise<number> {
  const folder = folderFor(data)
  const agent = new UpdateAgent(thisUnit(folder))
  if (served) {
    agent.blessed()
    return 0
  }
  agent.interrupted()
  if (agent.rolledBack()) {
    const { application } = new UpdateFolder(folder)
    // Only the newer version knows the way back from its format.
    if (existsSync(application)) {
      lendModules(folder)
      execFileSync(process.execPath, [application, 'migrate', String(currentFormat), '--data', data], {
        stdio: 'inherit',
      })
    }
    agent.endTrial()
  }
  return 0
}

/** The newer version's program is one file, and finds what it takes from npm among this version's. */
function lendModules(folder: string): void {
  const link = join(folder, 'node_modules')
  rmSync(link, { recursive: true, force: true })
  symlinkSync(join(dirname(realpathSync(process.argv[1]!)), 'node_modules'), link)
}

/** What is known of the latest update, as JSON. */
export function showUpdate(data: string): number {
  process.stdout.write(`${JSON.stringify(new UpdateFolder(folderFor(data)).record)}\n`)
  return 0
}

/** Takes the records of a box that does not run to another format, which this version must know. */
export async function migrateTo(data: string, text: string): Promise<number> {
  const format = Number(text)
  if (!Number.isInteger(format) || format < 1)
    throw new UsageError(`migrate: '${text}' is no format; this version writes ${currentFormat}`)
  const paths = dataPaths(data)
  if (paths.isNew) return 0
  const store = await openLmdbStore(paths.directory, { format, writtenBy: `porchlight ${version}` })
  await store.close()
  process.stdout.write(`the records have format ${format}\n`)
  return 0
}
