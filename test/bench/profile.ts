/** Reads the CPU profile that Node.js wrote for a server and names where its time went, by function and by file. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type CpuProfile = {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }>
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The table of self time of the longest profile in the directory; idle time is left out. */
export function profileTable(directory: string, functions = 45): string {
  const profiles = readdirSync(directory).filter(name => name.endsWith('.cpuprofile'))
  if (profiles.length === 0) return `no profile was written to ${directory}\n`
  const [longest] = profiles
    .map(name => JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile)
    .sort((a, b) => b.samples.length - a.samples.length)
  return longest ? describe(longest, functions) : ''
}

function describe(profile: CpuProfile, functions: number): string {
  const nodes = new Map(profile.nodes.map(node => [node.id, node.callFrame]))
  const byFunction = new Map<string, number>()
  const byFile = new Map<string, number>()
  let busy = 0
  for (const [index, id] of profile.samples.entries()) {
    const frame = nodes.get(id)
    if (!frame || frame.functionName === '(idle)') continue
    const microseconds = profile.timeDeltas[index] ?? 0
    busy += microseconds
    const file = shortFile(frame.url)
    add(byFile, file, microseconds)
    add(byFunction, `${frame.functionName || '(anonymous)'}  ${file}:${frame.lineNumber + 1}`, microseconds)
  }
  return (
    `busy ${(busy / 1e6).toFixed(2)} s; self time by file:\n${top(byFile, busy, 20)}\n` +
    `self time by function:\n${top(byFunction, busy, functions)}`
  )
}

function shortFile(url: string): string {
  if (url === '') return '(native)'
  return url.replace(/^file:\/\//, '').replace(/^.*\/(src|node_modules|dist|build)\//, '$1/')
}

function add(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount)
}

function top(sums: ReadonlyMap<string, number>, whole: number, count: number): string {
  return [...sums]
    .sort((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([name, microseconds]) => `${((microseconds / whole) * 100).toFixed(1).padStart(6)} %  ${name}\n`)
    .join('')
}
