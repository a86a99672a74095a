/** `make image-check`: reproducibility. It takes as long as a build. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readBoard } from '../board.ts'
import { productVersion, run, sha256OfFile, top } from '../tools.ts'

const board = readBoard(process.env.BOARD ?? 'amd64')
const version = productVersion()
const folder = join(top, 'build/image', board.name)
const files = join(folder, `porchlight-${board.name}-${version}`)

test('a second build of the same sources gives the same octets', { timeout: 600_000 }, async () => {
  const out = join(top, 'build/image/again')
  const options = (process.env.IMAGE_OPTIONS ?? '').split(' ').filter(Boolean)
  const env = { ...process.env, SOURCE_DATE_EPOCH: readFileSync(join(folder, 'work/source-date'), 'utf8').trim() }
  run(process.execPath, [join(top, 'image/build.ts'), 'image', '--board', board.name, '--out', out, ...options], {
    env,
  })
  const again = join(out, board.name, `porchlight-${board.name}-${version}`)
  for (const kind of ['slot', 'efi', 'img', 'cdx.json'])
    assert.equal(await sha256OfFile(`${again}.${kind}`), await sha256OfFile(`${files}.${kind}`), kind)
})
