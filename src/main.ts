/** The program: reads its command line, runs the command, and ends with its status. */

import { AdministrationError } from './administration.ts'
import { parseCommandLine, UsageError } from './command-line/arguments.ts'
import { run } from './command-line/run.ts'
import { version } from './command-line/version.ts'

// Keys, passwords' digests and the control socket are their owner's alone.
process.umask(0o077)

async function main(words: readonly string[]): Promise<number> {
  if (words[0] === '--version') {
    process.stdout.write(`porchlight ${version}\n`)
    return 0
  }
  try {
    const line = parseCommandLine(words)
    if ('help' in line) {
      process.stdout.write(line.help)
      return 0
    }
    return await run(line)
  } catch (error) {
    process.stderr.write(`porchlight: ${(error as Error).message}\n`)
    if (process.env.PORCHLIGHT_TRACE) process.stderr.write(`${(error as Error).stack}\n`)
    const isWrongUse = error instanceof UsageError || (error instanceof AdministrationError && error.isWrongUse)
    return isWrongUse ? 2 : 1
  }
}

// A reader of our output that has gone (`| head`) is no failure.
process.stdout.on('error', () => {})

// What nobody listens to any more ends with the process: exit, rather than wait for it.
process.exit(await main(process.argv.slice(2)))
