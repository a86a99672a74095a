/** Runs one command of the command line and prints what comes of it. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { dataPaths } from '../platform/data-paths.ts'
import { SystemRandom } from '../platform/random.ts'
import type { SettingListing } from '../settings.ts'
import { type CommandLine, type CommandName, UsageError } from './arguments.ts'
import { type Box, openBox } from './box.ts'
import { overridesOf } from './overrides.ts'
import { provision } from './provision.ts'
import { serve } from './serve.ts'
import { showStatus } from './status.ts'
import { writeSupport } from './support.ts'
import { passwordFor, readInput } from './terminal.ts'
import { installUpdate, migrateTo, runUpdates, settleUpdate, showUpdate } from './update.ts'

/** Resolves to the exit status. Throws UsageError, or an Error of one clear line. */
export function run(line: CommandLine): Promise<number> {
  if (line.command === 'serve')
    return serve({ data: line.data, set: line.set, demoUsers: !line.flags.has('no-demo-users') })
  if (line.command === 'status') return showStatus(line.data, line.flags.has('json'))
  return works[line.command](line)
}

type Work = (line: CommandLine) => Promise<number>

const works: Readonly<Record<Exclude<CommandName, 'serve' | 'status'>, Work>> = {
  'user add': async line => {
    const [address = ''] = line.arguments
    const { password, madeUp } = await passwordFor(address, line.flags.has('password-stdin'), new SystemRandom())
    const given = { address, password, ...(line.displayName === undefined ? {} : { displayName: line.displayName }) }
    const { aor } = (await withBox(line, true, box => box.ask('user add', given))) as { aor: string }
    print(`added ${aor}${madeUp ? ` with password ${password}` : ''}`)
    return 0
  },
  'user list': async line => {
    const users = (await withBox(line, false, box => box.ask('user list', {}))) as Array<{
      aor: string
      displayName?: string
      usable: boolean
    }>
    if (line.flags.has('json')) print(JSON.stringify(users, undefined, 2))
    for (const user of line.flags.has('json') ? [] : users) {
      const note = user.usable ? '' : '  (password was set for another realm: set it anew)'
      print(`${user.aor}${user.displayName ? `  ${user.displayName}` : ''}${note}`)
    }
    return 0
  },
  'user remove': async line => {
    await withBox(line, false, box => box.ask('user remove', { address: line.arguments[0] }))
    print(`removed ${line.arguments[0]}`)
    return 0
  },
  'user password': async line => {
    const [address = ''] = line.arguments
    const { password, madeUp } = await passwordFor(address, line.flags.has('password-stdin'), new SystemRandom())
    const { aor } = (await withBox(line, false, box => box.ask('user password', { address, password }))) as {
      aor: string
    }
    print(`changed the password of ${aor}${madeUp ? ` to ${password}` : ''}`)
    return 0
  },
  'user import': async line => {
    const [file = ''] = line.arguments
    const csv = file === '-' ? await readInput() : readFile(file)
    const { added, changed } = (await withBox(line, true, box => box.ask('user import', { csv }))) as {
      added: number
      changed: number
    }
    print(`imported ${added + changed} users: ${added} added, ${changed} changed`)
    return 0
  },
  'settings list': async line => {
    const settings = (await withBox(line, false, box => box.ask('settings list', {}))) as SettingListing[]
    if (line.flags.has('json')) print(JSON.stringify(settings, undefined, 2))
    else print(settings.map(settingLines).join('\n'))
    return 0
  },
  'settings get': async line => {
    const asked = { name: line.arguments[0], reveal: line.flags.has('reveal') }
    const { value } = (await withBox(line, false, box => box.ask('settings get', asked))) as { value: unknown }
    print(String(value))
    return 0
  },
  'settings set': async line => {
    const [name, value] = line.arguments
    const { effect, shown, problem } = (await withBox(line, true, box => box.ask('settings set', { name, value }))) as {
      effect: string
      shown: string
      problem?: string
    }
    const felt: Record<string, string> = {
      'at once': 'it takes effect at once',
      'at the next start': 'it takes effect at the next start',
      overridden: 'it takes effect at the next start without --set for it',
    }
    print(`${name} is now '${shown}'; ${felt[effect]}`)
    if (problem !== undefined) throw new Error(problem)
    return 0
  },
  provision: line => provision(line.data, line.arguments[0] ?? '', line.system),
  migrate: line => migrateTo(line.data, line.arguments[0] ?? ''),
  'update install': line => installUpdate(line.data, line.arguments[0] ?? ''),
  'update run': line => runUpdates(line.data),
  'update settle': line => settleUpdate(line.data, false),
  'update bless': line => settleUpdate(line.data, true),
  'update status': async line => showUpdate(line.data),
  support: line => writeSupport(line.data, resolve(line.arguments[0] ?? '')),
  backup: async line => {
    const directory = resolve(line.arguments[0] ?? '')
    await withBox(line, false, box => box.ask('backup', { directory }))
    print(`copied the data directory to ${directory}`)
    return 0
  },
}

async function withBox<T>(line: CommandLine, create: boolean, work: (box: Box) => Promise<T>): Promise<T> {
  const { directory, isNew } = dataPaths(line.data)
  if (isNew && !create) process.stderr.write(`porchlight: nothing is stored in ${directory} yet\n`)
  const box = await openBox({ data: line.data, overrides: overridesOf(line.set), create })
  try {
    return await work(box)
  } finally {
    await box.close()
  }
}

/** Two lines for one setting: its value, then what it is. */
function settingLines(setting: SettingListing): string {
  const unit = setting.unit === undefined ? '' : ` ${setting.unit}`
  const shown = setting.value === '' ? '(empty)' : `${setting.value}${unit}`
  const notes = [
    setting.from === 'default'
      ? 'default'
      : `${setting.from}; default ${setting.default === '' ? '(empty)' : setting.default}`,
    ...(setting.next === undefined ? [] : [`${setting.next === '' ? '(empty)' : setting.next} from the next start`]),
  ]
  return `${setting.name} = ${shown}  [${notes.join('; ')}]\n    ${setting.meaning}. ${capital(setting.allowed)}; ${setting.effect}; ${setting.node}`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`user import: cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
