/** `porchlight provision`: makes a new unit what `provision.json` says. Doing it again, after a power cut, comes to the same. */

import { readFileSync } from 'node:fs'
import { type Provision, readProvision, writeSystemFiles } from '../platform/provisioning.ts'
import { openBox } from './box.ts'

/** Rejects with an Error of one line, also when the file says something that cannot be. */
export async function provision(data: string, file: string, system: string | undefined): Promise<number> {
  let wanted: Provision
  try {
    wanted = readProvision(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`)
  }
  if (system !== undefined) writeSystemFiles(wanted, system)
  const { domain, admin, users } = wanted
  const aor = `sip:${admin.user}@${domain}`
  // The domain takes effect at the next start, and users belong to the one in force: so it goes first, by itself.
  const first = await openBox({ data, overrides: new Map(), create: true })
  await first.ask('settings set', { name: 'domain', value: domain }).finally(() => first.close())
  const box = await openBox({ data, overrides: new Map(), create: true })
  try {
    await box.ask('settings set', { name: 'xcap.operators', value: aor })
    // Two imports: the technician's file may begin with a mark and a heading, which are passed over only where a file begins.
    await box.ask('user import', { csv: `${aor},"${admin.password.replaceAll('"', '""')}",Administrator` })
    if (users !== undefined) await box.ask('user import', { csv: users })
  } finally {
    await box.close()
  }
  process.stdout.write(`this is now ${wanted.serial}, serving ${domain}\n`)
  return 0
}
