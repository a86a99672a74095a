/** How the build runs other programs, and names what it makes. */

import { type ExecFileSyncOptions, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The checkout. */
export const top = dirname(import.meta.dirname)

/** Runs a program and returns what it prints. Throws an Error that says which program failed, and why. */
export function run(program: string, words: readonly string[], options: ExecFileSyncOptions = {}): string {
  try {
    return String(
      execFileSync(program, words, { maxBuffer: 256 * 2 ** 20, stdio: ['pipe', 'pipe', 'pipe'], ...options }) ?? '',
    )
  } catch (error) {
    const { code, stderr, status } = error as { code?: string; stderr?: Buffer; status?: number }
    const why = code === 'ENOENT' ? 'it is not installed' : String(stderr ?? '').trim() || `it ended with ${status}`
    throw new Error(`${program} ${words.join(' ').slice(0, 200)}: ${why}`)
  }
}

/** One step of the build, told with the time it took. */
export function step<T>(name: string, work: () => T): T {
  const started = performance.now()
  const result = work()
  process.stdout.write(`${name.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s\n`)
  return result
}

/** The lines of a list, without comments. */
export function readList(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map(line => line.replace(/#.*/, '').trim())
    .filter(line => line !== '')
}

export function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(part as Buffer)
  return hash.digest('hex')
}

/** Seconds since the Unix epoch that stand for the time of everything in an image: when its last commit was made. */
export function sourceDate(): number {
  const given = Number(process.env.SOURCE_DATE_EPOCH)
  if (Number.isInteger(given) && given > 0) return given
  return Number(run('git', ['-C', top, 'log', '-1', '--format=%ct']))
}

export function productVersion(): string {
  return (JSON.parse(readFileSync(join(top, 'package.json'), 'utf8')) as { version: string }).version
}
