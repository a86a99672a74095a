/** Updates in the emulator: a good one is blessed, one that never serves is left again, and the data stays. */

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { run, top } from '../../image/tools.ts'
import { boardName, Guest } from './guest.ts'

const timeout = 1_500_000
const next = join(top, 'build/image/next')
const [good, bad] = ['0.1.1', '0.1.2']

/** Builds a later version and its bundle. */
function makeBundle(version: string, application?: string): string {
  const options = ['--board', boardName, '--version', version, '--out', next, '--quick']
  const program = application === undefined ? [] : ['--application', application]
  run(process.execPath, [join(top, 'image/build.ts'), 'image', ...options, ...program])
  run(process.execPath, [join(top, 'image/build.ts'), 'bundle', ...options])
  return join(next, boardName, `porchlight-${boardName}-${version}.bundle`)
}

/** A stick labelled PORCHLIGHT with these files; returns what plugs it in. */
function stick(path: string, files: readonly string[]): string[] {
  rmSync(path, { force: true })
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, '')
  truncateSync(path, 256 * 2 ** 20)
  run('mkfs.fat', ['-F', '32', '-n', 'PORCHLIGHT', path])
  for (const file of files) run('mcopy', ['-i', path, file, '::'])
  return ['-drive', `if=none,id=stick,format=raw,file=${path}`, '-device', 'virtio-blk-pci,drive=stick']
}

function isOnStick(path: string, name: string): boolean {
  return run('mdir', ['-b', '-i', path, '::']).includes(name)
}

test('good update: the other slot starts, serves, and is blessed; a bad one after it: three tries, then the good one runs again', {
  timeout,
}, async t => {
  const bundles = { good: makeBundle(good), bad: makeBundle(bad, join(top, 'test/image/never-serves.ts')) }
  const path = join(next, 'stick.img')
  t.after(() => rmSync(path, { force: true }))
  const guest = await Guest.make(t, 'update')
  guest.start(stick(path, [bundles.good]))
  await guest.until(`porchlight: version ${good} starts`)
  await guest.until('the root is in /dev/vda3')
  await guest.until(`porchlight: version ${good} is blessed`)
  await guest.serving()
  await guest.cutPower()
  assert.ok(isOnStick(path, `${good}.bundle.done`), 'it is marked as done')
  assert.match(
    run('mtype', ['-i', path, `::porchlight-${boardName}-${good}.bundle.txt`]),
    new RegExp(`installed version ${good}`),
  )

  // Blessed: it starts by itself.
  guest.start(stick(path, [bundles.bad]))
  // Each start has a patience of its own.
  for (const time of [1, 2, 3]) await guest.until(`porchlight: version ${bad} starts`, time)
  const before = guest.said().split(`porchlight: version ${good} starts`).length - 1
  await guest.until(`porchlight: version ${good} starts`, before + 1)
  await guest.serving()
  assert.equal(guest.said().split(`porchlight: version ${bad} starts`).length - 1, 3, 'three tries')
  assert.doesNotMatch(guest.said(), new RegExp(`version ${bad.replaceAll('.', '\\.')} is blessed`))
  assert.ok(existsSync(guest.console))
})
