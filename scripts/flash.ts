/**
 * `scripts/flash`: makes an image into a unit's, on a card or in a file, one or a batch. Asks for what the command line does not say
 * when it runs on a terminal. Needs no root, but for the right to write to a card.
 */

import { appendFileSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cancel, confirm, intro, outro, select, text } from '@clack/prompts'
import { checkTarget, writeImage } from '../firmware/identity/card.ts'
import { label } from '../firmware/identity/label.ts'
import { type Changes, personalise } from '../firmware/identity/personalise.ts'
import { provisionOf, type Row, readUnits } from '../firmware/identity/units.ts'
import type { Provision } from '../src/platform/provisioning.ts'

const help = `scripts/flash [OPTION]...    make an image into a unit's, and print its label
  --board NAME         the board whose images are to choose from
  --image FILE         the image; asked for among build/image/BOARD/*.img
  --target PATH        a file to make, or a card such as /dev/sdX
  --serial TEXT        letters, digits and hyphens; also the host name
  --domain NAME        the SIP domain
  --address ADDR/BITS  a fixed address, with --gateway ADDR and --dns ADDR (may be repeated); without it, DHCP
  --admin USER         first account (default admin); its code is drawn and stands on the label
  --admin-key FILE     public key (PEM, Ed25519) of who administers the unit: updates signed with it are taken, too
  --dm-server URL      with --dm-user and --dm-password: account of device management; or
  --dm-bootstrap FILE  a bootstrap document
  --authorities FILE   certificates in PEM that servers of updates may have theirs from, beside the public authorities
  --users FILE         further users, lines of aor,password
  --batch FILE         a CSV file, one unit a line; its heading names the columns, which are called as the options above are; writes
                       SERIAL.img and SERIAL.label.txt for each into the folder --target
  --as-is              write an image of --batch on a card: it is a unit's already
  --fixed-disk         also a disk that cannot be taken out
  --log FILE           what was flashed (default flash.log); no secrets are in it
  --yes                do not ask whether the card is the right one
`

const { values } = parseArgs({
  options: {
    board: { type: 'string' },
    image: { type: 'string' },
    target: { type: 'string' },
    serial: { type: 'string' },
    domain: { type: 'string' },
    address: { type: 'string' },
    gateway: { type: 'string' },
    dns: { type: 'string', multiple: true },
    admin: { type: 'string' },
    'admin-key': { type: 'string' },
    'dm-server': { type: 'string' },
    'dm-user': { type: 'string' },
    'dm-password': { type: 'string' },
    'dm-bootstrap': { type: 'string' },
    authorities: { type: 'string' },
    users: { type: 'string' },
    batch: { type: 'string' },
    'as-is': { type: 'boolean', default: false },
    'fixed-disk': { type: 'boolean', default: false },
    log: { type: 'string', default: 'flash.log' },
    yes: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true

/** The options that describe a unit. */
const given: Row = {
  ...(Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'string')) as Row),
  dns: values.dns?.join(' '),
}

/** Writes one image and logs it. */
function write(image: string, target: string, changes: Changes, who: Pick<Provision, 'serial' | 'domain'> | undefined) {
  const name = who?.serial ?? image
  let shown = ''
  const digest = writeImage(image, changes, target, (what, part) => {
    const line = `${name}: ${what} ${Math.floor(part * 100)} %`
    if (line !== shown && process.stderr.isTTY) process.stderr.write(`\r${line}   `)
    shown = line
  })
  if (process.stderr.isTTY) process.stderr.write('\n')
  const about = who ? { serial: who.serial, domain: who.domain } : {}
  const line = { at: new Date().toISOString(), ...about, image, target, sha256: digest }
  appendFileSync(values.log, `${JSON.stringify(line)}\n`)
}

/** All units of a file: every line is checked before the first is written. */
function flashBatch(image: string, folder: string, file: string): void {
  const units = readUnits(file, given)
  mkdirSync(folder, { recursive: true })
  for (const { serial } of units) checkTarget(join(folder, `${serial}.img`), false)
  for (const unit of units) {
    const target = join(folder, `${unit.serial}.img`)
    write(image, target, personalise(image, unit), unit)
    writeFileSync(join(folder, `${unit.serial}.label.txt`), label(unit), { mode: 0o600 })
    process.stdout.write(`${unit.serial} written and verified\n`)
  }
}

/** What is answered. Throws an Error when nothing is. */
function answered(answer: string | symbol): string {
  if (typeof answer === 'symbol') throw new Error('cancelled')
  return answer
}

/** What was given, or what is answered. Throws an Error of one line without a terminal. */
async function ask(
  name: 'image' | 'target' | 'serial' | 'domain',
  message: string,
  choices: readonly string[] = [],
): Promise<string> {
  const said = values[name]
  if (said !== undefined) return said
  if (!isTerminal) throw new Error(`--${name} is missing; see --help`)
  if (choices.length > 0) return answered(await select({ message, options: choices.map(value => ({ value })) }))
  return answered(await text({ message }))
}

/** What may be left out is asked for at a terminal where nothing of the unit was given. */
async function askTheRest(): Promise<Row> {
  const said: Record<string, string> = {}
  const line = async (name: string, message: string): Promise<void> => {
    const answer = answered(await text({ message, defaultValue: '' }))
    if (answer !== '') said[name] = answer
  }
  const choose = async (message: string, ...options: string[]): Promise<string> =>
    answered(await select({ message, options: options.map(value => ({ value })) }))
  if ((await choose('Its address?', 'by DHCP', 'fixed')) === 'fixed') {
    await line('address', 'Address and length, such as 192.0.2.10/24?')
    await line('gateway', 'Gateway?')
    await line('dns', 'DNS servers?')
  }
  const dm = await choose('Device management?', 'none', 'an account', 'a bootstrap document')
  if (dm === 'an account') {
    await line('dm-server', 'Its server (https://…)?')
    await line('dm-user', 'User?')
    await line('dm-password', 'Password?')
  } else if (dm !== 'none') await line('dm-bootstrap', 'Its file?')
  await line('admin-key', 'File with the public key of who administers it (none: leave empty)?')
  return said
}

/** Images as `make image` leaves them, of one board or of all. */
function images(board: string | undefined): string[] {
  const folder = 'build/image'
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => /^([^/]+)\/porchlight-\1-[^/]+\.img$/.test(name) && (!board || name.startsWith(`${board}/`)))
    .sort()
    .map(name => join(folder, name))
}

async function chooseImage(): Promise<string> {
  const found = images(values.board)
  if (values.image === undefined && values.board !== undefined && found.length === 0)
    throw new Error(`there is no image of board ${values.board}: make image BOARD=${values.board} builds one`)
  // Of a board that was named, the only one is meant.
  if (values.image === undefined && values.board !== undefined && found.length === 1) return found[0]!
  const image = resolve(await ask('image', 'Which image?', found))
  if (!existsSync(image)) throw new Error(`there is no ${image}: make image builds one`)
  return image
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help)
    return
  }
  if (isTerminal) intro('Porchlight: a card for a unit')
  const image = await chooseImage()
  const target = resolve(await ask('target', values.batch ? 'Into which folder?' : 'To which file or card?'))
  if (values.batch !== undefined) {
    flashBatch(image, target, values.batch)
    return
  }
  checkTarget(target, values['fixed-disk'])
  let unit: Provision | undefined
  if (!values['as-is']) {
    const asked = values.serial === undefined
    const row = { ...given, serial: await ask('serial', 'Serial?'), domain: await ask('domain', 'SIP domain?') }
    unit = provisionOf(asked ? { ...row, ...(await askTheRest()) } : row)
  }
  const changes = unit === undefined ? [] : personalise(image, unit)
  if (existsSync(target) && !values.yes) {
    const message = `Everything on ${target} will be gone. Is it the right card?`
    if (!isTerminal || (await confirm({ message, initialValue: false })) !== true)
      throw new Error(`${target} was not confirmed: nothing is written`)
  }
  write(image, target, changes, unit)
  if (unit === undefined) process.stdout.write(`${target} written and verified\n`)
  else process.stdout.write(`\n${label(unit, process.stdout.isTTY === true)}`)
  if (isTerminal && unit) outro('Print the label now: the code is kept nowhere else.')
}

try {
  await main()
} catch (error) {
  if (isTerminal) cancel((error as Error).message)
  else process.stderr.write(`flash: ${(error as Error).message}\n`)
  process.exitCode = 1
}
