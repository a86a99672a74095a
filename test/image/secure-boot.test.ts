/** Secure Boot: firmware that knows one key starts an image signed with it, and none that is not (UEFI 2.10 §32). */

import assert from 'node:assert/strict'
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { productVersion, run, top } from '../../image/tools.ts'
import { boardName, Guest, imagePath } from './guest.ts'

const timeout = 1_800_000
/** Debian's firmware for tests comes with variables in which a key of its own is enrolled, and with that key. */
const firmware = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd',
  variables: '/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd',
}
const enrolled = { key: '/usr/share/ovmf/PkKek-1-snakeoil.key', certificate: '/usr/share/ovmf/PkKek-1-snakeoil.pem' }
const skip =
  (boardName !== 'amd64' && 'Debian has firmware with keys for amd64 alone') ||
  (!existsSync(firmware.variables) && 'this machine has no firmware with keys')

/** With the firmware's variables kept where nobody but itself writes. */
function start(guest: Guest): void {
  copyFileSync(firmware.variables, join(dirname(guest.console), 'variables.fd'))
  const isolated = ['-machine', 'smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on']
  guest.start([...isolated, '-global', 'ICH9-LPC.disable_s3=1'], firmware.code)
}

test('an image signed with the enrolled key starts, and the kernel knows that it was checked', {
  skip,
  timeout,
}, async t => {
  const out = join(top, 'build/image/signed')
  const key = join(out, 'key.pem')
  t.after(() => rmSync(out, { recursive: true, force: true }))
  run('mkdir', ['-p', out])
  run('openssl', ['rsa', '-in', enrolled.key, '-passin', 'pass:snakeoil', '-out', key])
  const signing = ['--secure-boot-key', key, '--secure-boot-certificate', enrolled.certificate]
  run(process.execPath, [
    join(top, 'image/build.ts'),
    'image',
    '--board',
    boardName,
    '--out',
    out,
    '--quick',
    ...signing,
  ])
  const guest = await Guest.make(t, 'signed', join(out, boardName, `porchlight-${boardName}-${productVersion()}.img`))
  start(guest)
  await guest.serving()
  assert.match(guest.said(), /EFI stub: UEFI Secure Boot is enabled/)
})

test('an image that is not signed is not started', { skip, timeout }, async t => {
  const guest = await Guest.make(t, 'unsigned', imagePath())
  start(guest)
  await guest.until('Access Denied')
  assert.doesNotMatch(guest.said(), /porchlight: version/)
})
