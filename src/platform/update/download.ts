/** Fetches a bundle over HTTPS into a file, going on where a broken download has stopped. */

import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { BundleError, type BundleHead, bundleLength, headOctets } from './bundle.ts'

export interface DownloadOptions {
  /** Judges the first octets; undefined while there are too few. Throws BundleError. */
  readonly check: (bytes: Uint8Array) => BundleHead | undefined
  /** How often it is tried again after a broken connection. */
  readonly tries: number
  readonly waitMs: number
}

/**
 * Resolves when the whole bundle is in `path`. A part left there by an earlier call for the same URL is kept and gone on from.
 * Rejects with BundleError as soon as what has come cannot be a bundle for this unit, and then leaves nothing.
 */
export async function download(url: string, path: string, options: DownloadOptions): Promise<BundleHead> {
  const origin = `${path}.from`
  if (!existsSync(origin) || readFileSync(origin, 'utf8') !== url) {
    rmSync(path, { force: true })
    writeFileSync(origin, url)
  }
  try {
    for (let left = options.tries; ; left--) {
      try {
        return await attempt(url, path, options)
      } catch (error) {
        if (error instanceof BundleError || left <= 0) throw error
        await new Promise(resolve => setTimeout(resolve, options.waitMs))
      }
    }
  } catch (error) {
    if (error instanceof BundleError) for (const file of [path, origin]) rmSync(file, { force: true })
    throw error
  }
}

async function attempt(url: string, path: string, { check }: DownloadOptions): Promise<BundleHead> {
  const had = existsSync(path) ? statSync(path).size : 0
  let head = had > 0 ? check(firstOctets(path)) : undefined
  if (head !== undefined && had === bundleLength(head)) return head
  const response = await fetch(url, had > 0 ? { headers: { Range: `bytes=${had}-` } } : {})
  if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`)
  const goesOn = response.status === 206
  const descriptor = openSync(path, goesOn ? 'r+' : 'w', 0o600)
  let length = goesOn ? had : 0
  try {
    if (!goesOn) head = undefined
    for await (const part of response.body) {
      writeSync(descriptor, part, 0, part.length, length)
      length += part.length
      head ??= check(firstOctets(path))
      if (head !== undefined && length > bundleLength(head)) throw new BundleError('it is longer than it says')
    }
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  if (head === undefined) throw new BundleError('this is no update bundle')
  if (length < bundleLength(head)) throw new Error('the connection ended too early')
  return head
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
