/** What a technician says of units, by options or as lines of a CSV file, made into what is put on their cards. */

import { readFileSync } from 'node:fs'
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
  const bootstrap = row['dm-bootstrap'] && readFileSync(row['dm-bootstrap']).toString('base64')
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
    ...(row['admin-key'] ? { adminKey: readFileSync(row['admin-key'], 'utf8') } : {}),
    ...(dm ? { dm } : {}),
    ...(row.authorities ? { authorities: readFileSync(row.authorities, 'utf8') } : {}),
    ...(row.users ? { users: readFileSync(row.users, 'utf8') } : {}),
  }
  return readProvision(JSON.stringify(wanted))
}

/** The units of a CSV file, one a line below a heading; what `given` says is so for all that say nothing else. Throws an Error of one line. */
export function readUnits(file: string, given: Row): Provision[] {
  const units = readCsv(file).map((row, index) => {
    try {
      const said = Object.fromEntries(Object.entries(row).filter(([, value]) => value))
      return provisionOf({ ...given, ...said })
    } catch (error) {
      throw new Error(`${file}, unit ${index + 1}: ${(error as Error).message}`)
    }
  })
  const serials = units.map(({ serial }) => serial.toLowerCase())
  const twice = serials.find((serial, index) => serials.indexOf(serial) !== index)
  if (twice !== undefined) throw new Error(`${file}: two units are called ${twice}`)
  if (units.length === 0) throw new Error(`${file}: there is no unit in it`)
  return units
}

/** Lines as rows by the heading; fields may be quoted. Spreadsheets begin with a mark, and some part fields by semicolons. */
function readCsv(file: string): Row[] {
  const text = readFileSync(file, 'utf8').replace(/^\ufeff/, '')
  const between = text.split('\n', 1)[0]!.includes(';') ? ';' : ','
  const [heading, ...lines] = text
    .split(/\r?\n/)
    .filter(line => line.replaceAll(between, '').trim() !== '')
    .map(line => fieldsOf(line, between))
  if (heading === undefined || !heading.includes('serial'))
    throw new Error(`${file}: its first line must name the columns, serial among them`)
  const unknown = heading.filter(name => !columns.includes(name))
  if (unknown.length > 0)
    throw new Error(`${file}: there is no column ${unknown.join(', ')}; there are ${columns.join(', ')}`)
  return lines.map((fields, index) => {
    if (fields.length > heading.length)
      throw new Error(`${file}, unit ${index + 1}: ${fields.length} fields below ${heading.length} columns`)
    return Object.fromEntries(heading.map((name, column) => [name, fields[column]]))
  })
}

function fieldsOf(line: string, between: string): string[] {
  const field = new RegExp(`(?:^|${between})(?:"((?:[^"]|"")*)"|([^${between}]*))`, 'g')
  return [...line.matchAll(field)].map(([, quoted, plain]) => (quoted?.replaceAll('""', '"') ?? plain ?? '').trim())
}
