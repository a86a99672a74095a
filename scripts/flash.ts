/**
 * `scripts/flash`: makes an image into a unit's, on a card or in a file, one or a batch. Asks for what the command line does not say
 * when it runs on a terminal. Needs no root, but for the right to write to a card.
 */

import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cancel, confirm, intro, isCancel, outro, select, text } from '@clack/prompts'
import { checkTarget, writeImage } from '../firmware/identity/card.ts'
import { label } from '../firmware/identity/label.ts'
import { drawCode, personalise } from '../firmware/identity/personalise.ts'
import { type Provision, readProvision } from '../src/platform/provisioning.ts'

const help = `scripts/flash [OPTION]...    make an image into a unit's, and print its label
  --image FILE         the image; asked for among build/image/*/*.img
  --target PATH        a file to make, or a card such as /dev/sdX
  --serial TEXT        letters, digits and hyphens; also the host name
  --domain NAME        the SIP domain
  --address ADDR/BITS  a fixed address, with --gateway ADDR and --dns ADDR (may be repeated); without it, DHCP
  --admin USER         first account (default admin); its code is drawn and stands on the label
  --dm-server URL      with --dm-user and --dm-password: account of device management; or
  --dm-bootstrap FILE  a bootstrap document
  --users FILE         further users, lines of aor,password
  --batch FILE         a CSV file with a heading, one unit a line: serial,domain and as wanted address,gateway,dns,admin,dm-server,
                       dm-user,dm-password; writes serial.img and serial.label.txt for each into the folder --target
  --fixed-disk         also a disk that cannot be taken out
  --log FILE           what was flashed (default flash.log); no secrets are in it
  --yes                do not ask whether the card is the right one
`

const { values } = parseArgs({
  options: {
    image: { type: 'string' },
    target: { type: 'string' },
    serial: { type: 'string' },
    domain: { type: 'string' },
    address: { type: 'string' },
    gateway: { type: 'string' },
    dns: { type: 'string', multiple: true },
    admin: { type: 'string' },
    'dm-server': { type: 'string' },
    'dm-user': { type: 'string' },
    'dm-password': { type: 'string' },
    'dm-bootstrap': { type: 'string' },
    users: { type: 'string' },
    batch: { type: 'string' },
    'fixed-disk': { type: 'boolean', default: false },
    log: { type: 'string', default: 'flash.log' },
    yes: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true

type Row = Readonly<Record<string, string | undefined>>
/** The options that describe a unit. */
const given: Row = Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value === 'string')) as Row

/** A provision from one row of options, with a code drawn for it alone. Throws an Error of one line. */
function provisionOf(row: Row, dns: readonly string[]): Provision {
  const { serial, domain, address, gateway } = row
  const bootstrap = row['dm-bootstrap'] && readFileSync(row['dm-bootstrap']).toString('base64')
  const account = row['dm-server'] && { server: row['dm-server'], user: row['dm-user'], password: row['dm-password'] }
  const dm = bootstrap ? { bootstrap } : account || undefined
  const wanted = {
    serial,
    domain,
    network: address ? { address, ...(gateway ? { gateway } : {}), dns } : 'dhcp',
    admin: { user: row.admin || 'admin', password: drawCode() },
    ...(dm ? { dm } : {}),
    ...(row.users ? { users: readFileSync(row.users, 'utf8') } : {}),
  }
  return readProvision(JSON.stringify(wanted))
}

/** Writes one unit and logs it; returns its label. */
function flash(image: string, target: string, provision: Provision): string {
  checkTarget(target, values['fixed-disk'])
  let shown = ''
  const digest = writeImage(image, personalise(image, provision), target, (what, part) => {
    const line = `${provision.serial}: ${what} ${Math.floor(part * 100)} %`
    if (line !== shown && process.stderr.isTTY) process.stderr.write(`\r${line}   `)
    shown = line
  })
  if (process.stderr.isTTY) process.stderr.write('\n')
  const line = {
    at: new Date().toISOString(),
    serial: provision.serial,
    domain: provision.domain,
    image,
    target,
    sha256: digest,
  }
  appendFileSync(values.log, `${JSON.stringify(line)}\n`)
  return label(provision)
}

/** Lines of a CSV file as rows by its heading; fields may be quoted. */
function readCsv(file: string): Row[] {
  const [heading, ...lines] = readFileSync(file, 'utf8')
    .split(/\r?\n/)
    .filter(line => line.trim() !== '')
    .map(fieldsOf)
  if (heading === undefined || !heading.includes('serial'))
    throw new Error(`${file}: its first line must name the columns, serial among them`)
  const known = ['serial', 'domain', 'address', 'gateway', 'dns', 'admin', 'dm-server', 'dm-user', 'dm-password']
  const unknown = heading.filter(name => !known.includes(name))
  if (unknown.length > 0)
    throw new Error(`${file}: there is no column ${unknown.join(', ')}; there are ${known.join(', ')}`)
  return lines.map(fields => Object.fromEntries(heading.map((name, index) => [name, fields[index]])))
}

function fieldsOf(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    (quoted?.replaceAll('""', '"') ?? plain ?? '').trim(),
  )
}

/** All units of a file: every line is checked before the first is written. */
function flashBatch(image: string, folder: string, file: string): void {
  const units = readCsv(file).map((row, index) => {
    try {
      return provisionOf({ ...given, ...row }, row.dns?.split(/[ ;]+/).filter(Boolean) ?? [])
    } catch (error) {
      throw new Error(`${file}, unit ${index + 1}: ${(error as Error).message}`)
    }
  })
  const serials = units.map(({ serial }) => serial.toLowerCase())
  const twice = serials.find((serial, index) => serials.indexOf(serial) !== index)
  if (twice !== undefined) throw new Error(`${file}: two units are called ${twice}`)
  mkdirSync(folder, { recursive: true })
  for (const { serial } of units) checkTarget(join(folder, `${serial}.img`), false)
  for (const unit of units) {
    const text = flash(image, join(folder, `${unit.serial}.img`), unit)
    writeFileSync(join(folder, `${unit.serial}.label.txt`), text, { mode: 0o600 })
    process.stdout.write(`${unit.serial} written and verified\n`)
  }
}

/** What was given, or what is answered. Throws an Error of one line without a terminal. */
async function ask(
  name: 'image' | 'target' | 'serial' | 'domain',
  message: string,
  choices: string[] = [],
): Promise<string> {
  const given = values[name]
  if (given !== undefined) return given
  if (!isTerminal) throw new Error(`--${name} is missing; see --help`)
  const answer =
    choices.length > 0 ? await select({ message, options: choices.map(value => ({ value })) }) : await text({ message })
  if (isCancel(answer)) throw new Error('cancelled')
  return String(answer)
}

function images(): string[] {
  const folder = 'build/image'
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => /^[^/]+\/porchlight-[^/]+\.img$/.test(name))
    .map(name => join(folder, name))
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help)
    return
  }
  if (isTerminal) intro('Porchlight: a card for a unit')
  const image = resolve(await ask('image', 'Which image?', images()))
  if (!existsSync(image)) throw new Error(`there is no ${image}: make image builds one`)
  const target = resolve(await ask('target', values.batch ? 'Into which folder?' : 'To which file or card?'))
  if (values.batch !== undefined) {
    flashBatch(image, target, values.batch)
    return
  }
  checkTarget(target, values['fixed-disk'])
  const row = { ...given, serial: await ask('serial', 'Serial?'), domain: await ask('domain', 'SIP domain?') }
  const provision = provisionOf(row, values.dns ?? [])
  if (existsSync(target) && !values.yes) {
    const message = `Everything on ${target} will be gone. Is it the right card?`
    if (!isTerminal || (await confirm({ message, initialValue: false })) !== true)
      throw new Error(`${target} was not confirmed: nothing is written`)
  }
  process.stdout.write(`\n${flash(image, target, provision)}`)
  if (isTerminal) outro('Print the label now: the code is kept nowhere else.')
}

try {
  await main()
} catch (error) {
  if (isTerminal) cancel((error as Error).message)
  else process.stderr.write(`flash: ${(error as Error).message}\n`)
  process.exitCode = 1
}
