/** Fetches a bundle over HTTPS into a file, going on where a broken download has stopped (RFC 9110 §14, range requests). */

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { BundleError, type BundleHead, bundleLength, headOctets } from './bundle.ts'
import { writeSafely } from './files.ts'

export interface DownloadOptions {
  /** Judges the first octets; undefined while there are too few. Throws BundleError. */
  readonly check: (bytes: Uint8Array) => BundleHead | undefined
  /** How often it is tried again after a broken connection that brought nothing. */
  readonly tries: number
  readonly waitMs: number
  /** A server that brings less than `leastOctets` in so long is given up as broken. */
  readonly patienceMs: number
  readonly leastOctets: number
  /** Throws BundleError when there is no room for so many octets more. */
  readonly makeSure: (octets: number) => void
}

/** What a part that was left comes from, and which of its versions: an entity-tag or a date (RFC 9110 §8.8). */
interface Origin {
  readonly url: string
  readonly validator?: string
}

const redirectsMax = 5

/**
 * Resolves when the whole bundle is in `path`. A part left there by an earlier call for the same URL is kept and gone on from, as long
 * as it is of the same version. Rejects with BundleError as soon as what has come cannot be a bundle for this unit, and then leaves
 * nothing.
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<BundleHead> {
  if (originOf(path)?.url !== url) forgetDownload(path)
  try {
    let most = sizeOf(path)
    for (let left = options.tries; ; left--) {
      try {
        return await attempt(url, path, options)
      } catch (error) {
        // What grows will end; what begins anew each time may not.
        if (sizeOf(path) > most) left = options.tries
        most = Math.max(most, sizeOf(path))
        if (error instanceof BundleError || left <= 0) throw error
        await new Promise(resolve => setTimeout(resolve, options.waitMs))
      }
    }
  } catch (error) {
    if (error instanceof BundleError) forgetDownload(path)
    throw error
  }
}

/** Nothing is gone on from any more. */
export function forgetDownload(path: string): void {
  for (const file of [path, originPath(path)]) rmSync(file, { force: true })
}

async function attempt(url: string, path: string, options: DownloadOptions): Promise<BundleHead> {
  const { check } = options
  let { had, head } = keptPart(path, check)
  if (head !== undefined && had === bundleLength(head)) return head
  const clock = new Clock(options)
  try {
    const validator = originOf(path)?.validator
    // Compressed on the way, octets would be counted otherwise than they are kept.
    const headers: Record<string, string> = { 'Accept-Encoding': 'identity' }
    if (had > 0) headers.Range = `bytes=${had}-`
    if (had > 0 && validator !== undefined) headers['If-Range'] = validator
    const response = await get(url, headers, clock.signal)
    const goesOn = response.status === 206
    if (response.status === 416 || (goesOn && rangeStart(response) !== had)) {
      forgetDownload(path)
      throw new Error('the server has another bundle there now')
    }
    if (!goesOn) {
      had = 0
      head = undefined
    }
    writeSafely(originPath(path), JSON.stringify({ url, ...validatorOf(response) } satisfies Origin))
    const descriptor = openSync(path, goesOn ? 'r+' : 'w', 0o600)
    let length = had
    try {
      if (head !== undefined) options.makeSure(bundleLength(head) - length)
      for await (const part of response.body!) {
        writeAll(descriptor, part, length)
        length += part.length
        clock.had(part.length)
        if (head === undefined) {
          head = check(firstOctets(path))
          if (head !== undefined) options.makeSure(bundleLength(head) - length)
        }
        if (head !== undefined && length > bundleLength(head)) throw new BundleError('it is longer than it says')
      }
    } finally {
      fsyncSync(descriptor)
      closeSync(descriptor)
    }
    if (head === undefined || length < bundleLength(head)) throw new Error('the connection ended too early')
    return head
  } catch (error) {
    throw clock.signal.aborted ? new Error('the server is too slow') : plain(error)
  } finally {
    clock.stop()
  }
}

/** What an earlier attempt has left, if that is worth anything still. */
function keptPart(path: string, check: DownloadOptions['check']) {
  const had = sizeOf(path)
  try {
    const head = had > 0 ? check(firstOctets(path)) : undefined
    if (head === undefined || had <= bundleLength(head)) return { had, head }
  } catch (error) {
    if (!(error instanceof BundleError)) throw error
  }
  forgetDownload(path)
  return { had: 0, head: undefined }
}

/** Aborts when less has come than should have. */
class Clock {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  #octets = 0

  constructor({ patienceMs, leastOctets }: DownloadOptions) {
    this.#timer = setInterval(() => {
      if (this.#octets < leastOctets) this.#controller.abort()
      this.#octets = 0
    }, patienceMs)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  had(octets: number): void {
    this.#octets += octets
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** The answer that has a body. Follows redirects, but not out of TLS. Throws BundleError for what another try would not change. */
async function get(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  let place = new URL(url)
  for (let hops = 0; hops <= redirectsMax; hops++) {
    if (place.username || place.password) throw new BundleError('a source with a password in it is not fetched')
    const response = await fetch(place.href, { headers, signal, redirect: 'manual' })
    const { status } = response
    if (status === 200 || status === 206 || status === 416) return response
    await response.body?.cancel()
    if (status >= 500 || status === 408 || status === 429) throw new Error(`the server answered ${status}`)
    const location = response.headers.get('location')
    if (status < 300 || status >= 400 || location === null || !URL.canParse(location, place.href))
      throw new BundleError(`the server answered ${status}`)
    const next = new URL(location, place)
    if (place.protocol === 'https:' && next.protocol !== 'https:')
      throw new BundleError('the server redirects to a place without TLS')
    place = next
  }
  throw new BundleError('the server redirects for ever')
}

/** What fetch hides behind `fetch failed`: an unknown authority, a name that nobody knows. */
function plain(error: unknown): unknown {
  const cause = error instanceof TypeError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
  return cause === undefined
    ? error
    : new Error(`the server is not reached: ${cause.message.split(';')[0] || cause.code}`)
}

function rangeStart(response: Response): number {
  return Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN)
}

/** Weak entity-tags tell nothing of octets (RFC 9110 §13.1.5). */
function validatorOf(response: Response): { readonly validator?: string } {
  const tag = response.headers.get('etag')
  const validator = tag?.startsWith('"') ? tag : response.headers.get('last-modified')
  return validator ? { validator } : {}
}

function originPath(path: string): string {
  return `${path}.from`
}

function originOf(path: string): Origin | undefined {
  try {
    return JSON.parse(readFileSync(originPath(path), 'utf8')) as Origin
  } catch {
    return undefined
  }
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}

function writeAll(descriptor: number, part: Uint8Array, at: number): void {
  for (let done = 0; done < part.length; ) done += writeSync(descriptor, part, done, part.length - done, at + done)
}

export function firstOctets(path: string): Uint8Array {
  const descriptor = openSync(path, 'r')
  try {
    const buffer = Buffer.alloc(headOctets)
    return buffer.subarray(0, readSync(descriptor, buffer, 0, buffer.length, 0))
  } finally {
    closeSync(descriptor)
  }
}
