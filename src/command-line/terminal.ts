/** Asking a person at a terminal, and reading what is piped in. */

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Random } from '../turn.ts'

/**
 * The password for a command: the first line of standard input, or asked for twice on a terminal without showing it, or
 * made up; `madeUp` says that it must be printed, since nobody knows it yet. Rejects when the two do not match.
 */
export async function passwordFor(
  who: string,
  fromInput: boolean,
  random: Random,
): Promise<{ password: string; madeUp: boolean }> {
  if (fromInput) {
    const [first = ''] = (await readInput()).split('\n')
    return { password: first.replace(/\r$/, ''), madeUp: false }
  }
  if (process.stdin.isTTY) {
    const password = await ask(`Password for ${who} (empty: one is made up): `)
    if (password !== '') {
      if ((await ask('Again: ')) !== password) throw new Error('the two passwords differ; nothing was changed')
      return { password, madeUp: false }
    }
  }
  return { password: random.token(12), madeUp: true }
}

/** All of standard input as text. */
export async function readInput(): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

/** Asks without echo. */
function ask(question: string): Promise<string> {
  process.stderr.write(question)
  const silent = new Writable({ write: (_part, _encoding, done) => done() })
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true })
  return new Promise((resolve, reject) => {
    lines.once('SIGINT', () => {
      lines.close()
      reject(new Error('given up; nothing was changed'))
    })
    lines.question('', answer => {
      lines.close()
      process.stderr.write('\n')
      resolve(answer)
    })
  })
}
