/** The image as built starts in an emulator, serves, is blessed, and starts no slot that was tampered with. */

import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { partition } from '../../image/partitions/layout.ts'
import { productVersion, run, top } from '../../image/tools.ts'
import { boardName, Guest, imagePath } from './guest.ts'

const timeout = 900_000

test('a new unit serves SIP and HTTPS, and nothing else answers from outside', { timeout }, async t => {
  const guest = await Guest.make(t, 'boot')
  const started = performance.now()
  guest.start()
  await guest.serving()
  t.diagnostic(`SIP and HTTPS answered ${((performance.now() - started) / 1000).toFixed(1)} s after power-on, emulated`)
  assert.match((await guest.sipAnswer())!, /^SIP\/2\.0 200 /)
  assert.equal(await guest.httpStatus(), 401)
  await guest.until('porchlight: serving SIP and HTTP')
  // HTTP without TLS has a listener on the box's loopback; the forwarded connection is opened by the emulator and never answered.
  const answer = await fetch(`http://127.0.0.1:${guest.ports.closed}/`, { signal: AbortSignal.timeout(4000) }).catch(
    () => undefined,
  )
  assert.equal(answer, undefined)
  assert.doesNotMatch(guest.said(), /login:/i)
})

test('a version on trial is blessed when it serves: its kernel image loses the counter', { timeout }, async t => {
  const version = productVersion()
  const image = withBootPartition(t.name, esp => {
    run('mren', ['-i', esp, `::EFI/Linux/porchlight-${version}.efi`, `porchlight-${version}+3.efi`])
  })
  t.after(() => rmSync(image, { force: true }))
  const guest = await Guest.make(t, 'bless', image)
  guest.start()
  await guest.until(`porchlight: version ${version} is blessed`)
})

test('a slot with one changed octet where the root begins is not started', { timeout }, async t => {
  const image = join(top, 'build/image', boardName, 'test-tampered.img')
  run('cp', ['--sparse=always', imagePath(), image])
  t.after(() => rmSync(image, { force: true }))
  const descriptor = openSync(image, 'r+')
  writeSync(descriptor, Buffer.from([0xff]), 0, 1, partition('porchlight-a').start + 1000)
  closeSync(descriptor)
  const guest = await Guest.make(t, 'tampered', image)
  guest.start()
  await guest.until('no slot holds version')
  assert.doesNotMatch(guest.said(), /the root is in/)
})

/** A copy of the image whose boot partition `change` has worked on, with mtools. */
function withBootPartition(name: string, change: (esp: string) => void): string {
  const image = join(top, 'build/image', boardName, `test-${name.replaceAll(/\W+/g, '-').slice(0, 20)}.img`)
  run('cp', ['--sparse=always', imagePath(), image])
  change(`${image}@@${partition('porchlight-esp').start}`)
  return image
}
