/**
 * `scripts/flash`: makes an image into a unit's, on a card or in a file, one or a batch. Asks for what the command line does not say
 * when it runs on a terminal. Needs no root, but for the right to write to a card.
 */

import { appendFileSync, existsSync, readdirSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cancel, confirm, intro, outro } from '@clack/prompts'
import { flashBatch } from '../firmware/identity/batch.ts'
import { writeImage } from '../firmware/identity/card.ts'
import { checkTarget, describeDisk } from '../firmware/identity/disks.ts'
import { label } from '../firmware/identity/label.ts'
import { checkImage, personalise } from '../firmware/identity/personalise.ts'
import { askFolder, askImage, askTarget, askUnit } from '../firmware/identity/questions.ts'
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
  --go-on              after a batch that was broken off: only the units that are not in the folder yet
  --as-is              write an image of --batch on a card: it is a unit's already
  --fixed-disk         also a disk that cannot be taken out
  --log FILE           what was flashed (default flash.log); no secrets are in it
  --yes                do not ask whether the card is the right one
`

const options = {
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
  'go-on': { type: 'boolean', default: false },
  'as-is': { type: 'boolean', default: false },
  'fixed-disk': { type: 'boolean', default: false },
  log: { type: 'string', default: 'flash.log' },
  yes: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
const values = readOptions()
const brokenOff = new AbortController()

/** Ends the process with status 2 when they are wrong. */
function readOptions() {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    process.stderr.write(`flash: ${(error as Error).message.split('. ')[0]}; see --help\n`)
    process.exit(2)
  }
}

/** The options that describe a unit. */
const given: Row = {
  ...(Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'string')) as Row),
  dns: values.dns?.join(' '),
}

/** Writes one image and logs it. Once it is verified, `verified` is called. */
async function write(image: string, target: string, unit: Provision | undefined, verified: () => void): Promise<void> {
  const changes = unit === undefined ? [] : personalise(image, unit)
  const progress = progressOf(unit?.serial ?? image)
  const sha256 = await writeImage(image, changes, target, { progress, signal: brokenOff.signal, verified }).finally(
    () => process.stderr.isTTY && process.stderr.write('\n'),
  )
  const about = unit ? { serial: unit.serial, domain: unit.domain } : {}
  log({ at: new Date().toISOString(), ...about, image, target, sha256 })
}

/** Tells a terminal of every hundredth, in place; where lines stay, of every fifth part, and in a batch of none. */
function progressOf(name: string): (what: string, part: number) => void {
  let shown = ''
  return (what, part) => {
    const percent = Math.floor(part * 100)
    const line = `${name}: ${what} ${process.stderr.isTTY ? percent : percent - (percent % 20)} %`
    if (line === shown) return
    shown = line
    // At once: whoever waits is not told otherwise as long as one piece follows another.
    if (process.stderr.isTTY) writeSync(2, `\r${line}   `)
    else if (values.batch === undefined) writeSync(2, `${line}\n`)
  }
}

/** Without a record, before the first is written: then it fails while nothing is lost by it. */
function log(record?: object): void {
  try {
    appendFileSync(values.log, record === undefined ? '' : `${JSON.stringify(record)}\n`)
  } catch (error) {
    const problem = `the log ${values.log} cannot be written (${(error as NodeJS.ErrnoException).code})`
    if (record === undefined) throw new Error(problem)
    process.stderr.write(`flash: ${problem}: ${JSON.stringify(record)}\n`)
  }
}

/** Images as `make image` leaves them, of one board or of all. */
function images(board: string | undefined): string[] {
  const folder = resolve(import.meta.dirname, '../build/image')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => /^([^/]+)\/porchlight-\1-[^/]+\.img$/.test(name) && (!board || name.startsWith(`${board}/`)))
    .sort()
    .map(name => join(folder, name))
}

/** Throws an Error of one line without a terminal. */
function mustBeAsked(name: string): void {
  if (!isTerminal) throw new Error(`--${name} is missing; see --help`)
}

function checkFound(path: string): void {
  if (!existsSync(path)) throw new Error(`there is no ${path}: make image builds one`)
  checkImage(path, values['as-is'])
}

async function chooseImage(): Promise<string> {
  if (values.image !== undefined) {
    checkFound(values.image)
    return resolve(values.image)
  }
  const found = images(values.board)
  if (values.board !== undefined && found.length === 0)
    throw new Error(`there is no image of board ${values.board}: make image BOARD=${values.board} builds one`)
  // Of a board that was named, the only one is meant.
  if (values.board !== undefined && found.length === 1) return found[0]!
  mustBeAsked('image')
  return resolve(await askImage(found, checkFound))
}

async function chooseTarget(): Promise<string> {
  if (values.target !== undefined) return resolve(values.target)
  mustBeAsked('target')
  return resolve(await (values.batch === undefined ? askTarget(values['fixed-disk']) : askFolder()))
}

/** All that was said of the unit, and what is asked: the rest only where nothing of it was said. */
async function describeUnit(): Promise<Provision> {
  for (const name of ['serial', 'domain'] as const) if (values[name] === undefined) mustBeAsked(name)
  const isDescribed = values.serial !== undefined && values.domain !== undefined
  return provisionOf(isDescribed ? given : await askUnit(given, values.serial === undefined))
}

async function confirmCard(target: string): Promise<void> {
  if (!existsSync(target) || values.yes) return
  const message = `Everything on ${target} (${describeDisk(target)}) will be gone. Is it the right card?`
  if (!isTerminal || (await confirm({ message, initialValue: false })) !== true)
    throw new Error(`${target} was not confirmed: nothing is written`)
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help)
    return
  }
  if (isTerminal) intro('Porchlight: a card for a unit')
  const image = await chooseImage()
  const target = await chooseTarget()
  log()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => brokenOff.abort())
  if (values.batch !== undefined) {
    const told = (line: string): boolean => process.stdout.write(`${line}\n`)
    const writeUnit = (unit: Provision, path: string, verified: () => void) => write(image, path, unit, verified)
    await flashBatch(readUnits(values.batch, given), target, values['go-on'], writeUnit, told)
    return
  }
  checkTarget(target, values['fixed-disk'])
  const unit = values['as-is'] ? undefined : await describeUnit()
  await confirmCard(target)
  await write(image, target, unit, () => {
    if (unit === undefined) process.stdout.write(`${target} written and verified\n`)
    else process.stdout.write(`\n${label(unit, process.stdout.isTTY === true)}`)
  })
  if (isTerminal && unit) outro('Print the label now: the code is kept nowhere else.')
}

try {
  await main()
} catch (error) {
  if (isTerminal) cancel((error as Error).message)
  else process.stderr.write(`flash: ${(error as Error).message}\n`)
  process.exitCode = brokenOff.signal.aborted ? 130 : 1
}
