/** Asking a person at a terminal, and reading what is piped in. */

import { createInterface } from 'node:readline'
import { type Readable, Writable } from 'node:stream'
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
    const [password, again] = await askSilently([`Password for ${who} (empty: one is made up): `, 'Again: '])
    if (password !== again) throw new Error('the two passwords differ; nothing was changed')
    if (password) return { password, madeUp: false }
  }
  return { password: random.token(12), madeUp: true }
}

/** All of standard input as text. */
export async function readInput(): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of process.stdin) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

/** Asks one question after the other without echo; an empty answer to the first ends it. Rejects on Ctrl-C. */
export function askSilently(
  questions: readonly string[],
  input: Readable = process.stdin,
  output: Writable = process.stderr,
): Promise<string[]> {
  const silent = new Writable({ write: (_part, _encoding, done) => done() })
  // One reader for all: a second one would miss what was typed ahead for it.
  const lines = createInterface({ input, output: silent, terminal: true })
  const answers: string[] = []
  output.write(questions[0] ?? '')
  return new Promise((resolve, reject) => {
    lines.on('line', line => {
      answers.push(line)
      output.write('\n')
      if (answers.length < questions.length && answers[0] !== '') {
        output.write(questions[answers.length]!)
        return
      }
      resolve(answers[0] === '' ? questions.map(() => '') : answers)
      lines.close()
    })
    lines.once('SIGINT', () => lines.close())
    lines.once('close', () => reject(new Error('given up; nothing was changed')))
  })
}
