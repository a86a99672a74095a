/**
 * Reads and writes the settings of the box. The management tree in the store is what is kept, so that the DM client, the
 * command line and factory defaults write the same nodes; everything else reads the typed `Settings`. What settings there are
 * is in `settings/table.ts`.
 */

import type { Leaf, NodeFormat, Row } from './settings/row.ts'
import { ascending, rows, type SettingName, type Settings } from './settings/table.ts'
import { type Transaction, table } from './turn.ts'

/** One node of the management tree as kept in the store; a later DM client adds its properties (ACL, TStamp, VerNo) here. */
export interface ManagementNode {
  readonly format: NodeFormat
  readonly value: Leaf
}

/** Key: the path's segments below the root `.`; only nodes that somebody has set. */
export const managementTree = table<ManagementNode>('management-tree', 'hard')

/** A setting that does not exist or a value it cannot have; the message is one line for the person who wrote it. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}

/** Values that hold for one run of the box, by dotted name: what `serve --set` gives. */
export type Overrides = ReadonlyMap<SettingName, Leaf>

/**
 * The settings in force: defaults, then the management tree, then `overrides`. Settings that change at the next start keep
 * their value of `running`. Throws SettingError when values contradict each other or a stored one is of another format.
 */
export function readSettings(db: Transaction, overrides: Overrides = new Map(), running?: Settings): Settings {
  const settings: Record<string, unknown> = {}
  for (const name of settingNames) {
    const row = rowOf(name)
    const kept = running !== undefined && row.effect === 'at the next start'
    place(
      settings,
      name,
      kept ? settingOf(running, name) : (overrides.get(name) ?? storedValue(db, name) ?? row.default),
    )
  }
  const result = settings as unknown as Settings
  for (const [lower, upper] of ascending) {
    const [a, b] = [settingOf(result, lower), settingOf(result, upper)]
    if (a > b) throw new SettingError(`${lower} (${a}) must not be above ${upper} (${b})`)
  }
  return result
}

/** The defaults alone, with `values` in place of some: what tests and simulations start from. */
export function defaultSettings(values: Partial<Record<SettingName, Leaf>> = {}): Settings {
  const settings: Record<string, unknown> = {}
  for (const name of settingNames) place(settings, name, values[name] ?? rowOf(name).default)
  return settings as unknown as Settings
}

/**
 * Writes one setting to the management tree; an empty `text` of a setting that may not be empty is an error like any other.
 * Throws SettingError; contradictions show in `readSettings`, which the same transaction should call.
 */
export function putSetting(db: Transaction, name: SettingName, text: string): void {
  const { path, format } = rowOf(name)
  db.put(managementTree, path, { format, value: parseSetting(name, text) })
}

/** What `settings list` shows of one setting. */
export interface SettingListing {
  readonly name: SettingName
  readonly value: Leaf
  readonly default: Leaf
  readonly unit?: string
  readonly format: NodeFormat
  readonly node: string
  readonly meaning: string
  readonly allowed: string
  readonly effect: Row<Leaf>['effect']
  readonly from: 'default' | 'stored' | 'command line'
  /** Present when a stored value waits for the next start. */
  readonly next?: Leaf
}

/** Every setting with its value in force, in the order of the table. */
export function listSettings(db: Transaction, inForce: Settings, overrides: Overrides = new Map()): SettingListing[] {
  return settingNames.map(name => {
    const row = rowOf(name)
    const stored = storedValue(db, name)
    const value = settingOf(inForce, name)
    const next = overrides.get(name) ?? stored ?? row.default
    return {
      name,
      value: shownValue(name, value),
      default: row.default,
      ...(row.unit === undefined ? {} : { unit: row.unit }),
      format: row.format,
      node: `./${row.path.join('/')}`,
      meaning: row.meaning,
      allowed: row.allowed,
      effect: row.effect,
      from: overrides.has(name) ? 'command line' : stored === undefined ? 'default' : 'stored',
      ...(next === value ? {} : { next: shownValue(name, next) }),
    }
  })
}

/** What a person who looks at a setting is shown of a value: of a secret, only whether there is one. */
export function shownValue(name: SettingName, value: Leaf): Leaf {
  return rowOf(name).isSecret === true && value !== '' ? '********' : value
}

/** The value that `text` means for setting `name`. Throws SettingError. */
export function parseSetting(name: SettingName, text: string): Leaf {
  const row = rowOf(name)
  const value = parseLeaf(row.format, text)
  if (value === undefined || row.isAllowed?.(value) === false)
    throw new SettingError(`${name} cannot be '${text}': it is ${row.allowed}`)
  return value
}

/** `text` if a setting is called so; throws SettingError, naming the closest one. */
export function settingName(text: string): SettingName {
  if (Object.hasOwn(rows, text)) return text as SettingName
  const close = settingNames.find(name => name.toLowerCase().includes(text.toLowerCase()) && text !== '')
  throw new SettingError(`no setting is called '${text}'${close ? `; perhaps ${close}` : ''}: see 'settings list'`)
}

/** When a change of this setting is felt. */
export function effectOf(name: SettingName): Row<Leaf>['effect'] {
  return rowOf(name).effect
}

export const settingNames = Object.keys(rows) as readonly SettingName[]

function rowOf(name: SettingName): Row<Leaf> {
  return rows[name] as unknown as Row<Leaf>
}

/** Undefined when nobody has set it. A value that has become impossible is refused rather than replaced in silence. */
function storedValue(db: Transaction, name: SettingName): Leaf | undefined {
  const row = rowOf(name)
  const node = db.get(managementTree, row.path)
  if (node === undefined) return undefined
  if (node.format !== row.format || row.isAllowed?.(node.value) === false)
    throw new SettingError(`the stored value of ${name}, '${node.value}', is impossible: it is ${row.allowed}`)
  return node.value
}

/** The value of `name` in `settings`. */
export function settingOf(settings: Settings, name: SettingName): Leaf {
  let value: unknown = settings
  for (const part of name.split('.')) value = (value as Record<string, unknown>)[part]
  return value as Leaf
}

function place(settings: Record<string, unknown>, name: SettingName, value: Leaf): void {
  const parts = name.split('.')
  const last = parts.pop()!
  let group = settings
  for (const part of parts) {
    const inner = group[part] ?? {}
    group[part] = inner
    group = inner as Record<string, unknown>
  }
  group[last] = value
}

function parseLeaf(format: NodeFormat, text: string): Leaf | undefined {
  switch (format) {
    case 'chr':
      return text
    case 'int':
      return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined
    case 'bool':
      return text === 'true' ? true : text === 'false' ? false : undefined
  }
}
