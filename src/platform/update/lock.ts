/** One of several processes at a time. The kernel's lock (flock(2)), which ends with whoever holds it, however he ends. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * Holds the lock that the file at `path` stands for, and resolves to how it is given up. Undefined when another process has it; with
 * `isPatient` that one is waited for.
 */
export async function hold(path: string, isPatient: boolean): Promise<(() => Promise<void>) | undefined> {
  // Node.js has no call for it: a child does it that lives as long as its input is open.
  const words = [...(isPatient ? [] : ['--nonblock']), '--conflict-exit-code', '75', path]
  const child = spawn('flock', [...words, 'sh', '-c', 'echo && exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const held = once(child.stdout, 'data').then(() => 'held' as const)
  const first = await Promise.race([held, ended])
  if (first === 'held')
    return async () => {
      child.stdin.end()
      await ended
    }
  if (first[0] === 75) return undefined
  throw new Error(`${path} cannot be locked`)
}
