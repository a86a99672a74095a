/** Writes an update bundle (`src/platform/update/bundle.ts` says what it is) and signs it. */

import { sign } from 'node:crypto'
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { type BundleFile, type BundleManifest, bundleFiles, bundleMark } from '../../src/platform/update/bundle.ts'
import { sha256OfFile } from '../tools.ts'

export type BundleParts = Readonly<Record<BundleFile, string>> & {
  readonly board: string
  readonly version: string
  readonly floor: string
  /** PEM. */
  readonly privateKey: string
}

export async function writeBundle(parts: BundleParts, path: string): Promise<void> {
  const files: Partial<Record<BundleFile, { octets: number; sha256: string }>> = {}
  for (const name of bundleFiles)
    files[name] = { octets: statSync(parts[name]).size, sha256: await sha256OfFile(parts[name]) }
  const manifest: BundleManifest = {
    product: 'porchlight',
    board: parts.board,
    version: parts.version,
    floor: parts.floor,
    files: files as BundleManifest['files'],
  }
  const text = JSON.stringify(manifest)
  const signature = sign(null, Buffer.from(text), parts.privateKey).toString('base64')
  const out = createWriteStream(path)
  out.write(`${bundleMark}\n${signature}\n${text}\n`)
  for (const name of bundleFiles)
    await pipeline(createReadStream(parts[name], { highWaterMark: 1 << 20 }), out, { end: false })
  await new Promise<void>((resolve, reject) => out.end((error?: Error | null) => (error ? reject(error) : resolve())))
}
