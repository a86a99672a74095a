/**
 * What checking documents against their grammars costs in memory: two fresh processes read the same 20,000 documents of all
 * application usages, and one of them checks them too.
 */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import { presenceGrammar } from '../../src/documents/grammar/presence.ts'
import { presenceUsages } from '../../src/entities/xdms/presence-xdms/usages.ts'
import { rlsUsages } from '../../src/entities/xdms/rls-xdms/usages.ts'
import { sharedUsages } from '../../src/entities/xdms/shared-xdms/usages.ts'
import { DocumentGenerator } from '../interop/generated-documents.ts'

const documentsPerGrammar = 200
const documents = 20_000
/** As `scripts/porchlight` has them. */
const flags = ['--expose-gc', '--max-semi-space-size=8', '--max-old-space-size=512', '--no-allocation-site-pretenuring']

export interface Weight {
  /** Living heap and buffers after half of the documents, and after all. */
  readonly halfWay: number
  readonly atEnd: number
  readonly rss: number
  readonly refused: number
}

/** MiB of a process that reads only, and of one that reads and checks. */
export function weighValidation(): { readonly without: Weight; readonly with: Weight } {
  const directory = mkdtempSync(join(tmpdir(), 'bench-validation-'))
  try {
    const corpus = join(directory, 'documents')
    const grammars = [...presenceUsages, ...rlsUsages, ...sharedUsages].map(({ grammar }) => grammar)
    const generators = [...new Set([presenceGrammar, ...grammars])].map(grammar => new DocumentGenerator(grammar, 1))
    const texts = Array.from({ length: documentsPerGrammar }, () => generators.map(generator => generator.next()))
    writeFileSync(corpus, JSON.stringify(texts.flat()))
    // Bundled as the box is, so that nothing is weighed that only sources need.
    const entryPoints = [join(import.meta.dirname, 'validation-reader.ts')]
    buildSync({ entryPoints, outdir: directory, bundle: true, splitting: true, format: 'esm', platform: 'node' })
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}')
    const weigh = (mode: string): Weight => {
      const reader = join(directory, 'validation-reader.js')
      const output = execFileSync(process.execPath, [...flags, reader, mode, corpus, String(documents)])
      return JSON.parse(output.toString()) as Weight
    }
    return { without: weigh('read'), with: weigh('check') }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
