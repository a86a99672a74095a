/**
 * `porchlight support FILE`: what somebody who helps needs to know of a box, as gzipped JSON. It holds no password, key, digest or
 * presence document: nothing goes in but what is named here, and what is free text is cleaned first. A box that is too ill to
 * say something is told of with the reason.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { freemem, loadavg, totalmem, uptime } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { dataPaths } from '../platform/data-paths.ts'
import type { SettingListing } from '../settings.ts'
import { openBox, runningBox } from './box.ts'
import { unitState } from './unit-state.ts'
import { version } from './version.ts'

/** Lines of the journal that go along, of the box's services and of the kernel each. */
const logLines = 2_000

/** Throws an Error of one clear line when the file cannot be written; an existing one is left alone. */
export async function writeSupport(data: string, file: string): Promise<number> {
  const about = {
    madeAt: new Date().toISOString(),
    version,
    system: attempt(() => readIfThere('/usr/lib/os-release')),
    kernel: attempt(() => readIfThere('/proc/version')?.trim()),
    machine: { uptimeSeconds: uptime(), load: loadavg(), memoryOctets: { total: totalmem(), free: freemem() } },
    disk: attempt(() => diskOf(dataPaths(data).directory)),
    settings: await attempt(() => settingsOf(data)),
    status: await attempt(() => statusOf(data)),
    update: attempt(() =>
      JSON.parse(readIfThere(join(dirname(dataPaths(data).directory), 'update', 'state.json')) ?? 'null'),
    ),
    unit: existsSync('/run/porchlight/slot')
      ? Object.fromEntries(Object.entries(unitState).map(([name, find]) => [name, attempt(find)]))
      : 'this box runs without the image',
    log: attempt(() => journal(['--unit=porchlight*'])),
    kernelLog: attempt(() => journal(['--dmesg'])),
  }
  try {
    writeFileSync(file, gzipSync(JSON.stringify(cleaned(about), undefined, 1)), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    throw new Error(`support: cannot write ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
  process.stdout.write(`wrote ${file}: settings, status and log, without secrets\n`)
  return 0
}

/** What `work` finds, or why it finds nothing. */
function attempt<T>(work: () => T): T | { readonly unknown: string } | Promise<{ readonly unknown: string }> {
  const unknown = (error: unknown) => ({ unknown: error instanceof Error ? error.message : String(error) })
  try {
    const found = work()
    return found instanceof Promise ? (found.catch(unknown) as Promise<{ readonly unknown: string }>) : found
  } catch (error) {
    return unknown(error)
  }
}

async function statusOf(data: string): Promise<unknown> {
  const box = await runningBox(dataPaths(data))
  if (box === undefined) return 'no box runs'
  try {
    return await box.ask('status', {})
  } finally {
    await box.close()
  }
}

async function settingsOf(data: string): Promise<unknown> {
  const box = await openBox({ data, overrides: new Map(), create: false })
  try {
    const settings = (await box.ask('settings list', {})) as SettingListing[]
    return settings.map(({ name, value, next, from }) => (secret.test(name) ? { name } : { name, value, next, from }))
  } finally {
    await box.close()
  }
}

function diskOf(directory: string): { readonly octets: number; readonly freeOctets: number } {
  const { bsize, blocks, bavail } = statfsSync(directory)
  return { octets: bsize * blocks, freeOctets: bsize * bavail }
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** The journal of this start, where there is one that may be read. */
function journal(which: readonly string[]): string[] {
  const words = [...which, '--boot', '--no-pager', '--output=short-iso', `--lines=${logLines}`]
  return execFileSync('journalctl', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
}

/** A setting with such a name goes along without its value. */
const secret = /password|passphrase|secret|credential/i
const untold = '(not told)'

/** `value` with every text in it cleaned, however deep. */
function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value)
  if (Array.isArray(value)) return value.map(cleaned)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, cleaned(item)]))
}

/**
 * Free text without what may be a secret in it: keys in PEM, credentials of HTTP and SIP, the rest of a line that speaks of a
 * password, XML from its first tag on, and digests and keys as such (32 hexadecimal digits or 40 of Base64 and more).
 */
export function withoutSecrets(text: string): string {
  return text
    .replace(/-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g, untold)
    .replace(/<[?!]?[A-Za-z][\w.:-]*(?=[\s/>])[\s\S]*>/g, untold)
    .replace(/\b((?:proxy-)?authorization\s*:\s*)[^\n]*/gi, `$1${untold}`)
    .replace(/\b(Digest|Basic|Bearer)\s+[\w+/=]{8,}/g, `$1 ${untold}`)
    .replace(/\b(response|nonce|cnonce|opaque|rspauth)(=|: ?)("[^"]*"|[^\s,;]+)/gi, `$1$2${untold}`)
    .replace(/(password|passphrase|secret)(?![a-z])[^\n]*/gi, `$1 ${untold}`)
    .replace(/(token["']?\s*[=:]\s*)("[^"]*"|[^\s,;]+)/gi, `$1${untold}`)
    .replace(/(:\/\/[^\s/:@]+:)[^\s/@]+@/g, `$1${untold}@`)
    .replace(/\b[0-9a-f]{32,}\b/gi, untold)
    .replace(/(?<![\w+/=-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])[A-Za-z0-9+/_-]{40,}={0,2}/g, untold)
}
