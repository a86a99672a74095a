/**
 * An update bundle: a head that is signed, then the files it describes, one after the other. The head says everything, so a bundle
 * that is not for this unit is refused before the rest of it is read.
 *
 * The head: the line `porchlight-bundle 1`, the Ed25519 signature (RFC 8032) of the manifest in base64 on a line, the manifest as
 * JSON on a line. The files follow at once, in the order and with the sizes the manifest gives.
 */

import { createPublicKey, verify } from 'node:crypto'

export const bundleMark = 'porchlight-bundle 1'
/** A head is no longer than this; of one that is, nothing is believed. */
export const headOctets = 16_384

/** What a bundle's files are: the slot's content, the kernel image, and the box's program, which can take its data back. */
export const bundleFiles = ['slot', 'kernel', 'application'] as const
export type BundleFile = (typeof bundleFiles)[number]

export interface BundleManifest {
  readonly product: 'porchlight'
  readonly board: string
  readonly version: string
  /** Versions below it are never installed again once this one is blessed. */
  readonly floor: string
  readonly files: Readonly<Record<BundleFile, { readonly octets: number; readonly sha256: string }>>
}

export interface BundleHead {
  readonly manifest: BundleManifest
  /** Where the first file begins. */
  readonly length: number
}

/** Why a bundle is refused. */
export class BundleError extends Error {
  override readonly name = 'BundleError'
}

/** The head that `bytes` begins with, or undefined when more is needed. `keys` are PEM. Throws BundleError. */
export function readHead(bytes: Uint8Array, keys: readonly string[]): BundleHead | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const ends: number[] = []
  for (let at = buffer.indexOf(10); at >= 0 && ends.length < 3; at = buffer.indexOf(10, at + 1)) ends.push(at)
  const first = buffer.toString('latin1', 0, ends[0] ?? Math.min(buffer.length, bundleMark.length))
  if (ends[0] === undefined ? !bundleMark.startsWith(first) : first !== bundleMark)
    throw new BundleError('this is no update bundle')
  const [markEnd, signatureEnd, manifestEnd] = ends
  if (manifestEnd === undefined) {
    if (buffer.length >= headOctets) throw new BundleError('its head is too long')
    return undefined
  }
  if (manifestEnd >= headOctets) throw new BundleError('its head is too long')
  const signature = Buffer.from(buffer.toString('latin1', markEnd! + 1, signatureEnd), 'base64')
  const signed = buffer.subarray(signatureEnd! + 1, manifestEnd)
  if (!keys.some(key => isSignedBy(key, signed, signature)))
    throw new BundleError('its signature is not of a known key')
  return { manifest: readManifest(signed.toString('utf8')), length: manifestEnd + 1 }
}

function isSignedBy(key: string, signed: Uint8Array, signature: Uint8Array): boolean {
  const publicKey = createPublicKey(key)
  return publicKey.asymmetricKeyType === 'ed25519' && verify(null, signed, publicKey, signature)
}

function readManifest(text: string): BundleManifest {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new BundleError('its manifest is no JSON')
  }
  const { product, board, version, floor, files } = (value ?? {}) as Record<string, unknown>
  const isFile = (file: unknown): boolean => {
    const { octets, sha256 } = (file ?? {}) as Record<string, unknown>
    return Number.isSafeInteger(octets) && Number(octets) > 0 && /^[0-9a-f]{64}$/.test(String(sha256))
  }
  const isWhole =
    product === 'porchlight' &&
    typeof board === 'string' &&
    isVersion(version) &&
    isVersion(floor) &&
    bundleFiles.every(name => isFile((files as Record<string, unknown> | undefined)?.[name]))
  if (!isWhole) throw new BundleError('its manifest lacks something')
  return value as BundleManifest
}

function isVersion(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,5}\.\d{1,5}\.\d{1,5}$/.test(value)
}

/** Where a file stands in the bundle, from its beginning. */
export function fileOffset({ manifest, length }: BundleHead, wanted: BundleFile): number {
  let at = length
  for (const name of bundleFiles) {
    if (name === wanted) return at
    at += manifest.files[name].octets
  }
  return at
}

/** Length of the whole bundle. */
export function bundleLength({ manifest, length }: BundleHead): number {
  return bundleFiles.reduce((sum, name) => sum + manifest.files[name].octets, length)
}

/** Below zero when `a` is older than `b`; versions are three numbers. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map(text => text.split('.').map(Number))
  return x!.map((number, index) => number - (y![index] ?? 0)).find(difference => difference !== 0) ?? 0
}
