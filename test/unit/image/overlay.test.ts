/** What the image's files repeat of files elsewhere is the same there. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { top } from '../../../image/tools.ts'

test('a unit starts the box with the flags of scripts/porchlight', () => {
  const flags = (path: string): string[] => {
    const start = /^exec [\s\S]*/m.exec(readFileSync(join(top, path), 'utf8'))?.[0] ?? ''
    return start.match(/--[a-z-]+(=\S+)?/g) ?? []
  }
  const here = flags('scripts/porchlight')
  assert.ok(here.length > 0)
  assert.deepEqual(flags('image/overlay/usr/lib/porchlight/porchlight'), here)
})
