/** What a technician says of units, by options or as lines of a CSV file, made into what is put on their cards. */

import { readFileSync } from 'node:fs'
import { csvRecords } from '../../src/documents/csv.ts'
import { readUsers } from '../../src/entities/sip-ip-core/accounts.ts'
import { type Provision, readProvision } from '../../src/platform/provisioning.ts'
import { drawCode } from './personalise.ts'

/** What can be said of a unit: options of `scripts/flash` and columns of a CSV file. Those that name files are read here. */
const columns = [
  ...['serial', 'domain', 'address', 'gateway', 'dns', 'admin', 'admin-key'],
  ...['dm-server', 'dm-user', 'dm-password', 'dm-bootstrap', 'authorities', 'users'],
]

export type Row = Readonly<Record<string, string | undefined>>

/** A provision from what is said of one unit, with a code drawn for it alone. Throws an Error of one line. */
export function provisionOf(row: Row): Provision {
  const { serial, domain, address, gateway, dns } = row
  const server = row['dm-server']
  const bootstrap = fileOf(row, 'dm-bootstrap')?.toString('base64')
  if (!address && (gateway || dns)) throw new Error('gateway and dns go with an address; without one, DHCP says them')
  if (!server && (row['dm-user'] || row['dm-password'])) throw new Error('dm-user and dm-password go with dm-server')
  if (server && bootstrap) throw new Error('dm-server and dm-bootstrap are two ways to say one thing')
  const account = server && { server, user: row['dm-user'], password: row['dm-password'] }
  const dm = bootstrap ? { bootstrap } : account || undefined
  const servers = dns?.split(/[ ,;]+/).filter(Boolean) ?? []
  const wanted = {
    serial,
    domain,
    network: address ? { address, ...(gateway ? { gateway } : {}), dns: servers } : 'dhcp',
    admin: { user: row.admin || 'admin', password: drawCode() },
    adminKey: fileOf(row, 'admin-key')?.toString(),
    dm,
    authorities: fileOf(row, 'authorities')?.toString(),
    users: fileOf(row, 'users')?.toString(),
  }
  const provision = readProvision(JSON.stringify(wanted))
  checkUsers(provision)
  return provision
}

/** What the file holds that an option or a column names. */
function fileOf(row: Row, name: string): Buffer | undefined {
  const path = row[name]
  if (!path) return undefined
  let content: Buffer
  try {
    content = readFileSync(path)
  } catch (error) {
    throw new Error(`${name}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  if (content.length === 0) throw new Error(`${name}: ${path} is empty`)
  return content
}

/** The unit would refuse all of its provisioning for one of them that it cannot take, far from who could mend it. */
function checkUsers({ domain, admin, users }: Provision): void {
  if (users === undefined) return
  try {
    const names = [...readUsers(users, { domain })].map(({ aor }) => aor)
    if (names.includes(`sip:${admin.user}@${domain}`))
      throw new Error(`${admin.user} is the first account, whose code is drawn`)
  } catch (error) {
    throw new Error(`users: ${(error as Error).message}`)
  }
}

/** The units of a CSV file, one a line below a heading; what `given` says is so for all that say nothing else. Throws an Error of one line. */
export function readUnits(file: string, given: Row): Provision[] {
  try {
    const units = readTable(file).map(({ line, row }) => {
      try {
        return provisionOf({ ...given, ...row })
      } catch (error) {
        throw new Error(`line ${line}: ${(error as Error).message}`)
      }
    })
    if (units.length === 0) throw new Error('there is no unit in it')
    const serial = firstTwice(units.map(unit => unit.serial.toLowerCase()))
    if (serial !== undefined) throw new Error(`two units are called ${serial}`)
    const address = firstTwice(units.flatMap(({ network }) => (network === 'dhcp' ? [] : [hostOf(network.address)])))
    if (address !== undefined) throw new Error(`two units have the address ${address}`)
    return units
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`)
  }
}

function firstTwice(texts: readonly string[]): string | undefined {
  return texts.find((text, index) => texts.indexOf(text) !== index)
}

/** The address without its length, in the one way that a URL has it. */
function hostOf(address: string): string {
  const host = address.split('/')[0]!
  return host.includes(':') ? new URL(`http://[${host}]`).hostname : host
}

/** Lines as rows by the heading, without what is empty. */
function readTable(file: string): Array<{ readonly line: number; readonly row: Row }> {
  const text = decoded(file)
  const [first, ...others] = csvRecords(text, text.split('\n', 1)[0]!.includes(';') ? ';' : ',')
  const heading = first?.fields.map(name => name.toLowerCase()) ?? []
  if (!heading.includes('serial')) throw new Error('its first line must name the columns, serial among them')
  const unknown = heading.filter(name => name !== '' && !columns.includes(name))
  if (unknown.length > 0) throw new Error(`there is no column ${unknown.join(', ')}; there are ${columns.join(', ')}`)
  const twice = firstTwice(heading.filter(Boolean))
  if (twice !== undefined) throw new Error(`two columns are called ${twice}`)
  return others
    .filter(({ fields }) => fields.some(Boolean))
    .map(({ line, fields }) => {
      if (fields.some((field, column) => field && !heading[column]))
        throw new Error(`line ${line}: ${fields.length} fields below ${heading.filter(Boolean).length} columns`)
      const said = heading.map((name, column) => [name, fields[column]] as const)
      return { line, row: Object.fromEntries(said.filter(([, field]) => field)) }
    })
}

/** Some spreadsheets save other characters than UTF-8, in which passwords would not be what they were. */
function decoded(file: string): string {
  const content = readFileSync(file)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw new Error('it is no text in UTF-8')
  }
}
