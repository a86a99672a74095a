/** Images that differ from the product's: later versions, other programs, and in all of them a shell for tests. */

import { join } from 'node:path'
import { productVersion, run, top } from '../../image/tools.ts'
import { boardName } from './guest.ts'

const place = join(top, 'build/image/variants')
export const variantFolder = join(place, boardName)

export interface Variant {
  /** The product's when left out. */
  readonly version?: string
  /** In place of the box's program, below test/image. */
  readonly application?: string
}

/** Builds an image with a shell for tests; returns where it is. */
export function buildVariant(variant: Variant = {}): string {
  return build('image', variant, 'img')
}

/** Builds one and its signed bundle; returns where that is. */
export function buildBundle(variant: Variant): string {
  build('image', variant, 'img')
  return build('bundle', variant, 'bundle')
}

function build(what: string, { version = productVersion(), application }: Variant, kind: string): string {
  const options = ['--board', boardName, '--version', version, '--out', place, '--quick']
  options.push('--overlay', join(top, 'test/image/overlay'))
  if (application !== undefined) options.push('--application', join(top, 'test/image', application))
  run(process.execPath, [join(top, 'image/build.ts'), what, ...options])
  return join(variantFolder, `porchlight-${boardName}-${version}.${kind}`)
}
