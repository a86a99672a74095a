/** What a row of the table of settings says, and what many rows have in common. */

import { listeningAddresses } from './addresses.ts'

export type Leaf = string | number | boolean

/** `a.b` for every leaf of `T`. */
export type NamesOf<T> = { [K in keyof T & string]: T[K] extends Leaf ? K : `${K}.${NamesOf<T[K]>}` }[keyof T & string]

export type ValueAt<T, Name extends string> = Name extends `${infer First}.${infer Rest}`
  ? First extends keyof T
    ? ValueAt<T[First], Rest>
    : never
  : Name extends keyof T
    ? T[Name]
    : never

/** Formats of the management tree (TND §7.7.3) that settings use. */
export type NodeFormat = 'chr' | 'int' | 'bool'

export interface Row<V extends Leaf> {
  /** Segments below the root of the management tree. */
  readonly path: readonly string[]
  readonly format: V extends string ? 'chr' : V extends number ? 'int' : 'bool'
  readonly unit?: string
  readonly default: V
  readonly meaning: string
  /** What is allowed, as a person reads it. */
  readonly allowed: string
  readonly isAllowed?: (value: V) => boolean
  /** When a change is felt. */
  readonly effect: 'at once' | 'at the next start'
  /** Whether it is shown only to whoever asks to have it revealed. */
  readonly isSecret?: boolean
}

/** One row for each setting of a group: a missing one, or one of another type, does not compile. */
export type RowsOf<Group extends string, T> = {
  readonly [Name in NamesOf<T> as `${Group}.${Name}`]: Row<Extract<ValueAt<T, Name>, Leaf>>
}

export const seconds = { format: 'int', unit: 's', effect: 'at once' } as const

export const listening = {
  format: 'chr',
  allowed:
    'ADDRESS:PORT, several separated by commas, or empty; [ADDRESS]:PORT for IPv6; port 0 lets the system choose',
  isAllowed: (text: string): boolean => listeningAddresses(text) !== undefined,
  effect: 'at the next start',
} as const

export function wholeNumber(least: number, most: number) {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    isAllowed: (value: number): boolean => value >= least && value <= most,
  }
}

export function oneOf<const V extends string>(...values: readonly V[]) {
  return {
    format: 'chr',
    allowed: `one of ${values.join(', ')}`,
    isAllowed: (value: V): boolean => values.includes(value),
  } as const
}
