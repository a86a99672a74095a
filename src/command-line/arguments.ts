/** The commands of `porchlight`, one row each, and how a command line is read against them. */

import { parseArgs } from 'node:util'

interface Row {
  /** Names of the arguments that must follow, in order. */
  readonly takes: readonly string[]
  /** Options beside --data and --help. */
  readonly options: readonly OptionName[]
  readonly summary: string
  /** Further lines of its help. */
  readonly more?: readonly string[]
}

interface Option {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  /** What follows the option, in usage lines. */
  readonly value?: string
  readonly help: string
}

type OptionName = 'set' | 'no-demo-users' | 'password-stdin' | 'name' | 'json' | 'reveal' | 'system'

const options: Readonly<Record<OptionName, Option>> = {
  set: { type: 'string', multiple: true, value: 'NAME=VALUE', help: 'use this setting for this run; may be repeated' },
  'no-demo-users': { type: 'boolean', help: 'on a new data directory, make no users to try the box with' },
  'password-stdin': { type: 'boolean', help: 'read the password from the first line of standard input' },
  name: { type: 'string', value: 'TEXT', help: 'display name' },
  json: { type: 'boolean', help: 'print JSON' },
  reveal: { type: 'boolean', help: 'print it even if it is a secret' },
  system: { type: 'string', value: 'DIR', help: 'also write host name and network here, for the operating system' },
}

const common: Readonly<Record<string, Option>> = {
  data: { type: 'string', value: 'DIR', help: 'data directory (default ./data)' },
  help: { type: 'boolean', help: 'show this' },
}

const password = [
  'Without --password-stdin the password is asked for on a terminal; left empty there, or without a terminal,',
  'one is made up and printed.',
]

export const commands = {
  serve: {
    takes: [],
    options: ['set', 'no-demo-users'],
    summary: 'run the box in the foreground',
    more: [
      "Prints one line 'ready' with its addresses once it serves; SIGTERM or Ctrl-C stops it, SIGHUP reads the TLS",
      'certificate anew. A new data directory gets the users alice and bob, whose passwords are printed.',
    ],
  },
  'user add': {
    takes: ['AOR'],
    options: ['password-stdin', 'name'],
    summary: 'add a user, such as alice',
    more: password,
  },
  'user list': { takes: [], options: ['json'], summary: 'list the users' },
  'user remove': { takes: ['AOR'], options: [], summary: 'remove a user and what is registered' },
  'user password': { takes: ['AOR'], options: ['password-stdin'], summary: "change a user's password", more: password },
  'user import': {
    takes: ['FILE'],
    options: [],
    summary: 'add or change users from a CSV file',
    more: [
      "Each line is aor,password or aor,password,display name; '-' reads standard input. All lines are taken or none.",
    ],
  },
  status: {
    takes: [],
    options: ['json'],
    summary: 'show how the box is doing',
    more: ['Exit status 3 when no box runs on the data directory.'],
  },
  'settings list': { takes: [], options: ['json'], summary: 'list every setting with its value and meaning' },
  'settings get': { takes: ['NAME'], options: ['reveal'], summary: 'print the value of a setting' },
  'settings set': { takes: ['NAME', 'VALUE'], options: [], summary: 'change a setting' },
  provision: {
    takes: ['FILE'],
    options: ['system'],
    summary: 'on a unit: take name, domain, network and first account from a file',
    more: ['FILE is the provision.json that scripts/flash writes.'],
  },
  migrate: {
    takes: ['FORMAT'],
    options: [],
    summary: 'take the records of a stopped box to a format',
    more: ['A version that runs again after an update was rolled back has the newer one take its records back.'],
  },
  'update install': {
    takes: ['SOURCE'],
    options: [],
    summary: 'on a unit: install an update bundle',
    more: ['SOURCE is a file or an HTTPS URL. A broken download goes on when it is asked for again.'],
  },
  'update run': { takes: [], options: [], summary: 'on a unit: do what device management asked for' },
  'update settle': { takes: [], options: [], summary: 'on a unit: after a rollback, take the data back' },
  'update bless': { takes: [], options: [], summary: 'on a unit: the version that runs serves' },
  'update status': { takes: [], options: [], summary: 'print what is known of the latest update, as JSON' },
  support: {
    takes: ['FILE'],
    options: [],
    summary: 'write what a helper needs to know, without secrets',
    more: [
      'FILE must not exist yet; it is JSON, gzipped: settings, status, state of updates, disk and log. It holds no passwords,',
      'keys, digests or presence documents; names of users and their addresses may be in its log.',
    ],
  },
  backup: {
    takes: ['DIRECTORY'],
    options: [],
    summary: 'copy the data directory, also while the box runs',
    more: ['DIRECTORY must not exist yet; afterwards it is a data directory: serve --data DIRECTORY starts from it.'],
  },
} as const satisfies Record<string, Row>

export type CommandName = keyof typeof commands

/** A command line that makes no sense; the message is one line, the exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const flags = ['no-demo-users', 'password-stdin', 'json', 'reveal'] as const
type Flag = (typeof flags)[number]

export interface CommandLine {
  readonly command: CommandName
  readonly data: string
  readonly arguments: readonly string[]
  readonly set: readonly string[]
  readonly flags: ReadonlySet<Flag>
  readonly displayName: string | undefined
  readonly system: string | undefined
}

/** What `words` (without node and script) ask for; help as text. Throws UsageError. */
export function parseCommandLine(words: readonly string[]): CommandLine | { readonly help: string } {
  const wantsHelp = words.includes('--help') || words.includes('-h') || words[0] === 'help'
  const command = commandOf(words)
  if (command === undefined) {
    const named = leading(words)
    if (wantsHelp || (named.length === 0 && words.length === 0)) return { help: overview(named[0]) }
    if (named.length === 0) throw new UsageError(`no command: see 'porchlight --help'`)
    const group = Object.keys(commands).filter(name => name.startsWith(`${named[0]} `))
    if (group.length > 0)
      throw new UsageError(`'${named[0]}' is followed by ${group.map(name => name.split(' ')[1]).join(', ')}`)
    throw new UsageError(`there is no command '${named[0]}': see 'porchlight --help'`)
  }
  if (wantsHelp) return { help: helpOf(command) }
  const row: Row = commands[command]
  const { values, positionals } = parse(words, row, command)
  const given = positionals.slice(command.split(' ').length)
  if (given.length < row.takes.length)
    throw new UsageError(`${command}: ${row.takes[given.length]} is missing: ${usage(command)}`)
  if (given.length > row.takes.length)
    throw new UsageError(`${command}: '${given[row.takes.length]}' is too much: ${usage(command)}`)
  const { data, set, name, system } = values as { data?: string; set?: string[]; name?: string; system?: string }
  if (data === '') throw new UsageError(`${command}: --data needs a directory`)
  return {
    command,
    data: data ?? 'data',
    arguments: given,
    set: set ?? [],
    flags: new Set(flags.filter(flag => values[flag] === true)),
    displayName: name,
    system,
  }
}

/** The usage line of a command. */
function usage(command: CommandName): string {
  const row: Row = commands[command]
  const shown = row.options.map(name => {
    const option = options[name]
    return ` [--${name}${option.value ? ` ${option.value}` : ''}]${option.multiple ? '...' : ''}`
  })
  return `porchlight ${[command, ...row.takes].join(' ')}${shown.join('')} [--data DIR]`
}

function parse(words: readonly string[], row: Row, command: CommandName) {
  const known = Object.fromEntries(row.options.map(name => [name, options[name]]))
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: { ...known, ...common } as Record<string, Option>,
      allowPositionals: true,
    })
    return { values: values as Readonly<Record<string, unknown>>, positionals }
  } catch (error) {
    // Node's message goes on with advice; its first sentence is the fault.
    throw new UsageError(`${command}: ${(error as Error).message.split(/[.\n]\s/)[0]}: ${usage(command)}`)
  }
}

/** The command that the leading words name, longest name first. */
function commandOf(words: readonly string[]): CommandName | undefined {
  const named = leading(words)
  for (const length of [2, 1]) {
    const name = named.slice(0, length).join(' ')
    if (named.length >= length && Object.hasOwn(commands, name)) return name as CommandName
  }
  return undefined
}

/** The words that are neither options nor an option's value; `help` before a command is passed over. */
function leading(words: readonly string[]): string[] {
  const found: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '--data' || word === '--set' || word === '--name' || word === '--system') i++
    else if (!word.startsWith('-') && !(word === 'help' && found.length === 0)) found.push(word)
  }
  return found
}

function overview(group: string | undefined): string {
  const all = Object.keys(commands) as CommandName[]
  const shown = all.filter(name => name.startsWith(`${group} `))
  const rows = (shown.length > 0 ? shown : all).map(name => {
    const row: Row = commands[name]
    return `  ${[name, ...row.takes].join(' ').padEnd(26)}${row.summary}`
  })
  return [
    'Porchlight: SIP core, registrar and Presence Server in one box.',
    '',
    'porchlight COMMAND [--data DIR]',
    ...rows,
    '',
    "'porchlight COMMAND --help' tells more. Commands work while the box runs, at once, and while it does not.",
    '',
  ].join('\n')
}

function helpOf(command: CommandName): string {
  const row: Row = commands[command]
  const shown: Array<readonly [string, Option]> = [
    ...row.options.map(name => [name, options[name]] as const),
    ...Object.entries(common),
  ]
  return [
    usage(command),
    `  ${row.summary}`,
    '',
    ...shown.map(
      ([name, option]) => `  ${`--${name}${option.value ? ` ${option.value}` : ''}`.padEnd(22)}${option.help}`,
    ),
    ...(row.more ? ['', ...row.more] : []),
    '',
  ].join('\n')
}
