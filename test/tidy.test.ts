/**
 * Reads the sources and says when an import points the wrong way, a file is dead, or a layer that must be deterministic
 * touches a clock, a timer, randomness or the machine.
 */

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { referencePoints } from '../src/reference-points.ts'

const root = resolve(import.meta.dirname, '..')
const source = join(root, 'src')

/** Layers from the bottom up; a file may import its own layer and those below. */
const layers: ReadonlyArray<readonly [name: string, owns: (path: string) => boolean]> = [
  [
    'turn',
    path =>
      ['turn.ts', 'settings.ts', 'limits.ts', 'reference-points.ts'].includes(path) || path.startsWith('settings/'),
  ],
  ['documents', path => path.startsWith('documents/')],
  ['protocols', path => path.startsWith('protocols/')],
  ['entities', path => path.startsWith('entities/')],
  [
    'appliance',
    path =>
      ['appliance.ts', 'awaiting.ts', 'functional-entities.ts', 'administration.ts', 'routing.ts', 'wakes.ts'].includes(
        path,
      ),
  ],
  ['main', path => path === 'main.ts' || path.startsWith('command-line/')],
]

/** Self-contained libraries: they import nothing outside their own folder but what is named. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  'protocols/sip/': ['node:crypto'],
  'protocols/sigcomp/': ['node:crypto'],
}

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => name.replaceAll('\\', '/'))
    .sort()
}

function importsOf(folder: string, path: string): Import[] {
  const text = readFileSync(join(folder, path), 'utf8')
  const found: Import[] = []
  for (const match of text.matchAll(
    /^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )) {
    const specifier = (match[2] ?? match[3])!
    const to = specifier.startsWith('.') ? relative(source, resolve(folder, dirname(path), specifier)) : specifier
    found.push({ from: path, to, typeOnly: match[1] !== undefined })
  }
  return found
}

const files = sourceFiles(source)
const imports = files.flatMap(path => importsOf(source, path))

function arrow({ from, to }: Import): string {
  return `${from} -> ${to}`
}

function layerOf(path: string): number {
  return layers.findIndex(([, owns]) => owns(path))
}

test('every import points down: main, appliance, entities, protocols, documents, turn', () => {
  const wrong = imports.filter(({ from, to, typeOnly }) => {
    if (!to.endsWith('.ts')) return false
    // The contract names the messages that outputs carry; at run time it imports nothing.
    if (layerOf(from) === 0 && typeOnly) return false
    if (from.startsWith('platform/')) return !(to.startsWith('platform/') || mayPlatformImport(to))
    if (to.startsWith('platform/')) return layerOf(from) < layers.length - 1
    const [a, b] = [layerOf(from), layerOf(to)]
    return a < 0 || b < 0 || b > a
  })
  assert.deepEqual(wrong.map(arrow), [])
})

test('no two entities import each other, not even by way of a third', () => {
  const entityOf = (path: string): string | undefined => /^entities\/([^/]+)\//.exec(path)?.[1]
  const between = imports.flatMap(({ from, to }): [string, string][] => {
    const [a, b] = [entityOf(from), entityOf(to)]
    return a !== undefined && b !== undefined && a !== b ? [[a, b]] : []
  })
  assert.deepEqual(inCircles(between), [])
})

test('no two files need each other at run time, not even by way of a third', () => {
  const needed = imports.filter(({ typeOnly }) => !typeOnly)
  assert.deepEqual(inCircles(needed.map(({ from, to }) => [from, to])), [])
})

/** Those from whom a way leads back to themselves. */
function inCircles(arrows: readonly (readonly [from: string, to: string])[]): string[] {
  const known = new Map<string, Set<string>>()
  for (const [from, to] of arrows) known.set(from, (known.get(from) ?? new Set()).add(to))
  const reached = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of known.get(from) ?? []) if (!seen.has(to)) reached(to, seen.add(to))
    return seen
  }
  return [...known.keys()].filter(one => reached(one).has(one))
}

/** The platform knows contracts, and of the protocols only the values it carries to and from the machine. */
function mayPlatformImport(path: string): boolean {
  return layerOf(path) === 0 || path.startsWith('protocols/sip/') || path.startsWith('protocols/http/')
}

test('each library imports nothing outside itself', () => {
  const wrong = Object.entries(libraries).flatMap(([folder, allowed]) =>
    imports.filter(({ from, to }) => from.startsWith(folder) && !to.startsWith(folder) && !allowed.includes(to)),
  )
  assert.deepEqual(wrong.map(arrow), [])
})

test('protocols, documents, entities and the appliance touch no clock, timer, randomness or machine', () => {
  const banned =
    /\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bset(?:Timeout|Interval|Immediate)\b|\bperformance\.|\bprocess\.|\brandom(?:Bytes|UUID|Int|FillSync)\b/
  const pure = files.filter(path => !path.startsWith('platform/') && layerOf(path) < layers.length - 1)
  const wrong = pure.flatMap(path =>
    readFileSync(join(source, path), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        banned.test(line) && !/^\s*(?:\*|\/\/|\/\*)/.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [],
      ),
  )
  assert.deepEqual(wrong, [])
  const modules = imports.filter(
    ({ from, to }) =>
      pure.includes(from) && to.startsWith('node:') && !['node:crypto', 'node:buffer', 'node:zlib'].includes(to),
  )
  assert.deepEqual(modules.map(arrow), [])
})

test('no file of src is dead: each is reached from main', () => {
  const reached = new Set<string>()
  const walk = (path: string): void => {
    if (reached.has(path)) return
    reached.add(path)
    for (const { to } of importsOf(source, path)) if (to.endsWith('.ts')) walk(to)
  }
  walk('main.ts')
  assert.deepEqual(
    files.filter(path => !reached.has(path)),
    [],
  )
})

test('the map names every entity and every protocol', () => {
  const map = readFileSync(join(source, 'README.md'), 'utf8')
  const folders = ['entities', 'protocols'].flatMap(layer =>
    readdirSync(join(source, layer)).map(name => `${layer}/${name}/`),
  )
  assert.deepEqual(
    folders.filter(folder => !map.includes(`\`${folder}\``)),
    [],
  )
})

test('every reference point that says where it is answered names a folder that exists', () => {
  const missing = Object.entries(referencePoints).filter(
    ([, { at }]) => at !== undefined && !existsSync(join(source, at)),
  )
  assert.deepEqual(missing, [])
})

test('sources are erasable and keep no promise for later', () => {
  const wrong = files.flatMap(path =>
    readFileSync(join(source, path), 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        /\b(?:TODO|FIXME|XXX|HACK)\b|@ts-(?:ignore|nocheck)|\bas any\b/.test(line)
          ? [`${path}:${index + 1} ${line.trim()}`]
          : [],
      ),
  )
  assert.deepEqual(wrong, [])
})
