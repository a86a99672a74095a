/** Runs the scenarios of `sipp/` one at a time. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Box, domain, freePortOfBoth, passwordOf } from './box.ts'

const scenarios = join(import.meta.dirname, 'sipp')

export type Run = {
  readonly scenario: string
  readonly user: string
  readonly transport?: 'u1' | 't1'
  /** The digest's `uri`: the Request-URI that the scenario uses, without `sip:`. */
  readonly digestUri?: string
  readonly password?: string
  readonly localPort?: number
  readonly keys?: Readonly<Record<string, string>>
  /** How often the scenario runs, each time as another call. */
  readonly calls?: number
}

/** Runs one scenario to its end; fails with sipp's own explanation and the messages exchanged. */
export async function runSipp(box: Box, run: Run): Promise<void> {
  const place = mkdtempSync(join(box.directory, `sipp-${run.scenario}-`))
  const [errors, messages] = [join(place, 'errors'), join(place, 'messages')]
  const isServer = run.scenario.endsWith('-receive')
  const keys = { domain, user: run.user, ...run.keys }
  const given = [
    ...(isServer ? [] : [`127.0.0.1:${box.port}`]),
    ...['-sf', join(scenarios, `${run.scenario}.xml`), '-i', '127.0.0.1', '-t', run.transport ?? 'u1'],
    ...['-p', String(run.localPort ?? (await freePortOfBoth()))],
    ...['-m', String(run.calls ?? 1), '-l', '1', '-timeout', '20', '-timeout_error', '-nostdin'],
    ...['-au', run.user, '-ap', run.password ?? passwordOf(run.user), '-auth_uri', run.digestUri ?? domain],
    ...['-trace_err', '-error_file', errors, '-trace_msg', '-message_file', messages],
    ...Object.entries(keys).flatMap(([key, value]) => ['-key', key, value]),
  ]
  const child = spawn('sipp', given, { cwd: place, stdio: 'ignore', env: { ...process.env, TERM: 'dumb' } })
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => resolve(code))
  })
  const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  assert.equal(status, 0, `sipp ${run.scenario} ended with ${status}\n${read(errors)}\n${read(messages).slice(-8_000)}`)
}
