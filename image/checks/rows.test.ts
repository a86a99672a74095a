/** `make image-check`: every row of the hardening table in `image/README.md` names tests that there are, and no row that must be is missing. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { top } from '../tools.ts'

const text = readFileSync(join(top, 'image/README.md'), 'utf8')
const section = /## Hardening, and what checks it\n([\s\S]*?)\n## /.exec(text)![1]!
const rows = [...section.matchAll(/^\| (?!Row|---)(.+?) \| (.+) \|$/gm)].map(([, row, checks]) => ({
  row: row!,
  checks: checks!.split(' · ').map(check => /^`([^`]+)`: (.+)$/.exec(check) ?? assert.fail(`${row}: ${check}`)),
}))

/** What an appliance of this kind is asked for: ETSI EN 303 645 §5, IEC 62443-4-2, Cyber Resilience Act, Annex I. */
const asked = [
  ...['verified as it is read', 'read-only', 'Two slots', 'signed; a changed one is refused', 'below the floor'],
  ...['Secure Boot', 'locked down', 'configured as is recommended', 'No ssh', 'No default password', 'Only the ports'],
  ...['firewall is up before', 'confined', 'set-uid', 'grows and outlives updates', 'taken once and wiped'],
  ...['factory reset', 'power cut', 'bill of materials', 'watchdog', 'same octets', 'support bundle'],
]

test('there is a row for everything that is asked of an appliance', () => {
  for (const what of asked) assert.equal(rows.filter(({ row }) => row.includes(what)).length, 1, what)
  assert.equal(rows.length, asked.length)
})

for (const { row, checks } of rows)
  test(`a check is there: ${row}`, () => {
    assert.ok(checks.length > 0)
    for (const [, file, title] of checks) {
      assert.ok(existsSync(join(top, file!)), `${file} is missing`)
      const titles = [...readFileSync(join(top, file!), 'utf8').matchAll(/\btest\(\s*(['"`])(.+?)\1,/gs)].map(
        ([, , found]) => found!,
      )
      assert.ok(
        titles.some(found => found.includes(title!)),
        `${file} has no test '${title}': ${titles.join('; ')}`,
      )
    }
  })
