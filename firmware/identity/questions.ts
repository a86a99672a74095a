/** What `scripts/flash` asks at a terminal. An answer that cannot be is asked for again at once. */

import { homedir } from 'node:os'
import { select, text } from '@clack/prompts'
import { checkTarget, describeDisk, freeCards } from './disks.ts'
import { provisionOf, type Row } from './units.ts'

/** What is answered. Throws an Error when nothing is. */
function answered(answer: string | symbol): string {
  if (typeof answer === 'symbol') throw new Error('cancelled')
  return answer
}

/** What `work` throws, as what a question says of an answer; undefined when nothing. */
function complaint(work: () => void): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

async function line(message: string, check: (answer: string) => void, isOptional = false): Promise<string> {
  const validate = (answer = ''): string | undefined => {
    if (answer === '') return isOptional ? undefined : 'something must be said here'
    return complaint(() => check(answer))
  }
  return answered(await text({ message, defaultValue: '', validate }))
}

async function choose(message: string, options: ReadonlyArray<{ value: string; hint?: string }>): Promise<string> {
  return answered(await select({ message, options: [...options] }))
}

/** As a shell has it. */
function path(answer: string): string {
  return answer.replace(/^~(?=\/)/, homedir())
}

/** One of those that were found, or another. */
export async function askImage(found: readonly string[], check: (path: string) => void): Promise<string> {
  const message = 'Which image?'
  if (found.length > 0)
    return await choose(
      message,
      found.map(value => ({ value })),
    )
  return path(await line(message, answer => check(path(answer))))
}

/** One of the cards that are plugged in, or a file to make. */
export async function askTarget(isFixedAllowed: boolean): Promise<string> {
  const message = 'To which file or card?'
  const cards = freeCards()
  if (cards.length > 0) {
    const other = 'another card or a file'
    const options = cards.map(value => ({ value, hint: describeDisk(value) }))
    const chosen = await choose(message, [...options, { value: other }])
    if (chosen !== other) return chosen
  }
  return path(await line(message, answer => checkTarget(path(answer), isFixedAllowed)))
}

export async function askFolder(): Promise<string> {
  return path(await line('Into which folder?', () => {}))
}

/** What is missing of serial and domain; all the rest only `isAll`. Returns it with what was said already. */
export async function askUnit(said: Row, isAll: boolean): Promise<Row> {
  let row = said
  // What is asked later is made up until then.
  const sound = { serial: 'PL-1', domain: 'unit.example' }
  const ask = async (name: string, message: string, isOptional = true, besides: Row = {}): Promise<void> => {
    if (row[name]) return
    const isFile = ['dm-bootstrap', 'admin-key', 'authorities', 'users'].includes(name)
    const answer = await line(
      message,
      answer => provisionOf({ ...sound, ...besides, ...row, [name]: isFile ? path(answer) : answer }),
      isOptional,
    )
    row = { ...row, [name]: isFile ? path(answer) : answer }
  }
  await ask('serial', 'Serial?', false)
  await ask('domain', 'SIP domain?', false)
  if (!isAll) return row
  if (!row.address && (await choose('Its address?', [{ value: 'by DHCP' }, { value: 'fixed' }])) === 'fixed') {
    await ask('address', 'Address and length, such as 192.0.2.10/24?', false)
    await ask('gateway', 'Gateway (none: leave empty)?')
    await ask('dns', 'DNS servers (none: leave empty)?')
  }
  if (!row['dm-server'] && !row['dm-bootstrap']) {
    const ways = ['none', 'an account', 'a bootstrap document'].map(value => ({ value }))
    const way = await choose('Device management?', ways)
    if (way === 'an account') {
      await ask('dm-server', 'Its server (https://…)?', false, { 'dm-user': 'user', 'dm-password': 'password' })
      await ask('dm-user', 'User?', false, { 'dm-password': 'password' })
      await ask('dm-password', 'Password?', false)
    } else if (way !== 'none') await ask('dm-bootstrap', 'Its file?', false)
  }
  await ask('admin', 'Name of the first account (empty: admin)?')
  await ask('users', 'File with further users, lines of aor,password (none: leave empty)?')
  await ask('admin-key', 'File with the public key of who administers it (none: leave empty)?')
  await ask('authorities', 'File with certificates of authorities for servers of updates (none: leave empty)?')
  return row
}
