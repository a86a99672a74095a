/** One of the two processes of `validation.ts`: `validation-reader.ts read|check CORPUS COUNT` prints its weight as JSON. */

import { readFileSync } from 'node:fs'
import { parseXml, XmlError } from '../../src/documents/xml/parse.ts'
import type { XmlElement } from '../../src/documents/xml/tree.ts'
import type { Weight } from './validation.ts'

const [mode, corpus = '', count = '0'] = process.argv.slice(2)
const texts = JSON.parse(readFileSync(corpus, 'utf8')) as string[]
const check = mode === 'check' ? await checker() : () => {}
let refused = 0

function read(times: number): number {
  for (let index = 0; index < times; index++) {
    const root = parseXml(Buffer.from(texts[index % texts.length]!), { instructions: true })
    try {
      check(root)
    } catch (error) {
      if (!(error instanceof XmlError)) throw error
      refused++
    }
  }
  for (let round = 0; round < 3; round++) globalThis.gc!()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / (1 << 20)
}

/** Loads the grammars, and finds that of a document by its root. */
async function checker(): Promise<(root: XmlElement) => void> {
  const { validate } = await import('../../src/documents/grammar/validate.ts')
  const { presenceGrammar } = await import('../../src/documents/grammar/presence.ts')
  const { presenceUsages } = await import('../../src/entities/xdms/presence-xdms/usages.ts')
  const { rlsUsages } = await import('../../src/entities/xdms/rls-xdms/usages.ts')
  const { sharedUsages } = await import('../../src/entities/xdms/shared-xdms/usages.ts')
  const usages = [...presenceUsages, ...rlsUsages, ...sharedUsages]
  const grammars = [presenceGrammar, ...usages.map(({ grammar }) => grammar)]
  return root => {
    const of = grammars.filter(({ root: name, vocabularies }) => {
      return name === root.name && vocabularies[0]!.namespace === root.namespace
    })
    for (const grammar of of) validate(root, grammar)
  }
}

const halfWay = read(Number(count) / 2)
const weight: Weight = { halfWay, atEnd: read(Number(count) / 2), rss: process.memoryUsage.rss() / (1 << 20), refused }
process.stdout.write(JSON.stringify(weight))
