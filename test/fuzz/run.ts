/**
 * Throws mutated input at every target that the files of this folder export: `run.ts [--seconds N | --count N] [--seed N]
 * [--target NAME]`. A target returns, or throws the error its parser declares; anything else that escapes, or takes too
 * long, is a finding, printed with what reproduces it.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Mutator } from './mutator.ts'

/** What a file of this folder exports as `targets`. */
export interface FuzzTarget {
  readonly name: string
  /** Must return for every input; whatever it throws is a finding. */
  run(bytes: Uint8Array): void
  /** Inputs to begin from; at least one. */
  readonly seeds: readonly Uint8Array[]
}

/** One input that takes longer than this is a finding: parsing is linear. */
const slowMs = 1000

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string' },
    target: { type: 'string' },
    input: { type: 'string' },
  },
})

const targets = await loadTargets()
if (values.input !== undefined) repeat(values.input)
else process.exitCode = fuzz() ? 0 : 1

/** Returns whether nothing was found. */
function fuzz(): boolean {
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  // So many inputs take as long as they take.
  const seconds = Number(values.seconds ?? (values.count === undefined ? 10 : Number.POSITIVE_INFINITY))
  const budgetMs = (seconds * 1000) / targets.length
  const count = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count)
  let sound = true
  for (const target of targets) {
    const mutator = new Mutator(seed, target.seeds)
    const started = performance.now()
    let inputs = 0
    let found = false
    // Looking at the clock costs more than a small input does.
    while (inputs < count && (inputs % 64 !== 0 || performance.now() - started < budgetMs)) {
      const bytes = inputs < target.seeds.length ? target.seeds[inputs]! : mutator.next()
      inputs++
      const finding = tryOn(target, bytes)
      if (finding === undefined) continue
      found = true
      report(target, seed, inputs, smallest(target, bytes), finding)
      break
    }
    const seconds = (performance.now() - started) / 1000
    process.stdout.write(`${found ? 'FOUND' : 'ok   '} ${target.name}: ${inputs} inputs in ${seconds.toFixed(1)} s\n`)
    sound &&= !found
  }
  process.stdout.write(`fuzzed ${targets.length} targets, seed ${seed}\n`)
  return sound
}

/** What went wrong, or undefined. */
function tryOn(target: FuzzTarget, bytes: Uint8Array): string | undefined {
  const started = performance.now()
  try {
    // A copy: a target that changes its input must not spoil the seeds.
    target.run(Uint8Array.from(bytes))
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  const took = performance.now() - started
  return took > slowMs ? `took ${took.toFixed(0)} ms for ${bytes.length} octets` : undefined
}

/** Takes pieces away while what remains still fails: the shortest input a person can read. */
function smallest(target: FuzzTarget, bytes: Uint8Array): Uint8Array {
  let best = bytes
  const until = performance.now() + 5000
  for (let piece = best.length >> 1; piece > 0; piece >>= 1) {
    for (let at = 0; at + piece <= best.length && performance.now() < until; ) {
      const shorter = new Uint8Array([...best.subarray(0, at), ...best.subarray(at + piece)])
      if (tryOn(target, shorter) === undefined) at += piece
      else best = shorter
    }
  }
  return best
}

function report(target: FuzzTarget, seed: number, inputs: number, bytes: Uint8Array, finding: string): void {
  const hex = Buffer.from(bytes).toString('hex')
  process.stdout.write(
    [
      `target ${target.name}, input ${inputs} of seed ${seed}: ${finding}`,
      `  shortened to ${bytes.length} octets: ${JSON.stringify(Buffer.from(bytes).toString('latin1'))}`,
      `  again: scripts/node test/fuzz/run.ts --target '${target.name}' --input ${hex}`,
      `  or:    make fuzz SEED=${seed}`,
      '',
    ].join('\n'),
  )
}

/** Runs one input that was found earlier. */
function repeat(hex: string): void {
  for (const target of targets) {
    const finding = tryOn(target, Buffer.from(hex, 'hex'))
    process.stdout.write(`${target.name}: ${finding ?? 'nothing found'}\n`)
    if (finding !== undefined) process.exitCode = 1
  }
}

async function loadTargets(): Promise<FuzzTarget[]> {
  const found: FuzzTarget[] = []
  const files = readdirSync(import.meta.dirname).filter(name => name.endsWith('.ts'))
  for (const name of files.sort()) {
    if (name === 'run.ts' || name === 'mutator.ts') continue
    const loaded = (await import(join(import.meta.dirname, name))) as { targets?: readonly FuzzTarget[] }
    if (loaded.targets === undefined) throw new Error(`test/fuzz/${name} exports no targets`)
    for (const target of loaded.targets) {
      if (target.seeds.length === 0) throw new Error(`fuzz target ${target.name} has no seeds`)
      if (values.target === undefined || target.name === values.target) found.push(target)
    }
  }
  if (found.length === 0) throw new Error('there are no fuzz targets')
  return found
}
