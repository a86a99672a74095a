/**
 * One unit from power-on to factory resets, looked at from within: its clock, its data partition and its memory, a full disk, what
 * stands still, the support bundle, and each way to make it forget.
 */

import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { drawCode } from '../../firmware/identity/personalise.ts'
import { partition } from '../../image/partitions/layout.ts'
import { HttpClient } from '../end-to-end/http-client.ts'
import { play, readFlow } from '../flows/language.ts'
import { cardOctets, Guest } from './guest.ts'
import { GuestWorld, provisionedImage } from './guest-world.ts'
import { Stick } from './stick.ts'
import { buildVariant, variantFolder } from './variants.ts'

const timeout = 2_400_000
const mebibyte = 2 ** 20
const listPath = '/xcap-root/resource-lists/users/sip:alice@box.example/index'
const list =
  '<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"/></resource-lists>'
const listType = { 'content-type': 'application/resource-lists+xml' }
/** A real-time clock whose battery is flat. */
const noClock = ['-rtc', 'base=2001-01-01T00:00:00']

const softStateGoesOn = `
# Presence goes on when the disk is full
Alice registers                                       expecting 200
Alice publishes presence open                         expecting 200
Bob   subscribes to Alice                             expecting 200
Bob   is notified active, presence open
`

test('a unit from within', { timeout }, async t => {
  const base = buildVariant()
  const made = Number(readFileSync(join(variantFolder, 'work/source-date'), 'utf8'))
  const code = drawCode()
  const image = await provisionedImage(join(variantFolder, 'unit.img'), { serial: 'PL-000044', code, base })
  t.after(() => rmSync(image, { force: true }))
  const stick = new Stick(join(variantFolder, 'unit-stick.img'))
  t.after(() => stick.remove())
  const guest = await Guest.make(t, 'unit', image)
  const alice = new HttpClient(t, guest.ports.https, true, { username: 'alice', password: 'secret of Alice' })
  const number = async (line: string) => Number(await guest.sh(line))
  const boxPid = () => number('systemctl show --property=MainPID --value porchlight')
  const starts = () => guest.said().split(/porchlight: version [\d.]+ starts/).length - 1
  const startsAgain = async (after: number) => {
    await guest.until(/porchlight: version [\d.]+ starts/, after + 1)
    await guest.serving()
    await guest.shellReady()
  }

  guest.start(noClock)
  await guest.serving()
  await guest.shellReady()

  await t.test('without a battery clock, time begins when the image was made', async () => {
    const clock = await number('date +%s')
    assert.ok(clock >= made && clock < made + 3600, `${clock} is not soon after ${made}`)
  })

  await t.test('the data partition takes what the card has more than the image', async () => {
    const size = await number('blockdev --getsize64 /dev/disk/by-partlabel/porchlight-data')
    assert.ok(size > cardOctets - partition('porchlight-data').start - 2 * mebibyte, `partition of ${size}`)
    const room = await number('echo $(($(stat --file-system --format=%b*%S /data)))')
    assert.ok(room > 0.9 * size, `file system of ${room} on ${size}`)
  })

  await t.test('memory: the box within its budget, the system with room in 512 MB', async () => {
    const resident =
      (await number(`sed -n 's/^VmRSS:[[:space:]]*\\([0-9]*\\) kB/\\1/p' /proc/${await boxPid()}/status`)) * 1024
    const [total, available] = (
      await guest.sh(`sed -n 's/^Mem\\(Total\\|Available\\): *\\([0-9]*\\) kB/\\2/p' /proc/meminfo`)
    )
      .split('\n')
      .map(text => Number(text) * 1024)
    t.diagnostic(
      `box ${(resident / mebibyte).toFixed(1)} MiB resident; system ${(available! / mebibyte).toFixed(0)} of ${(total! / mebibyte).toFixed(0)} MiB available`,
    )
    assert.ok(resident > 16 * mebibyte && resident < 128 * mebibyte, `box ${resident}`)
    assert.ok(total! <= 512 * mebibyte && available! > 200 * mebibyte, `available ${available} of ${total}`)
  })

  await t.test(
    'a full data disk: an alarm, no document that cannot be kept, presence goes on; then all is well again',
    async nested => {
      assert.equal((await alice.ask('PUT', listPath, list, listType)).status, 201)
      const status = async () =>
        JSON.parse(await guest.sh('/usr/lib/porchlight/porchlight status --json --data /data/store'))
      assert.deepEqual((await status()).alarms, [])
      await guest.sh('fallocate -l $(($(stat --file-system --format="%a*%S" /data) - 16777216)) /data/filler')
      await guest.eventually('alarm', async () => (await status()).alarms.length > 0)
      assert.match((await status()).alarms[0], /^disk: /)
      assert.equal((await alice.ask('PUT', listPath, list.replace('friends', 'others'), listType)).status, 507)
      await guest.sh('dd if=/dev/zero of=/data/filler2 bs=64k 2>/dev/null || true')
      await play(readFlow(softStateGoesOn), await GuestWorld.open(nested, guest))
      assert.equal((await alice.ask('GET', listPath)).body, list)
      await guest.sh('rm /data/filler /data/filler2')
      await guest.eventually('end of the alarm', async () => (await status()).alarms.length === 0)
      assert.equal((await alice.ask('PUT', listPath, list.replace('friends', 'others'), listType)).status, 200)
    },
  )

  await t.test('a support bundle on a stick, without secrets', async () => {
    stick.put('support-request', { content: '' })
    await guest.plugIn(stick)
    await guest.eventually('bundle', async () => stick.has('support.json.gz') && !stick.has('support-request'))
    await guest.sh('while mount | grep -q /run/porchlight/volume; do sleep 0.2; done')
    await guest.pullOut()
    assert.equal(stick.read('support.txt').includes('without secrets'), true)
    const text = gunzipSync(stick.readOctets('support.json.gz')).toString()
    assert.ok(!text.includes(code) && !text.includes('secret of Alice'))
    const bundle = JSON.parse(text)
    assert.match(bundle.system, /IMAGE_VERSION=/)
    assert.ok(bundle.log.length > 0 && bundle.kernelLog.length > 0)
  })

  await t.test('a box that stands still is started again', async () => {
    const pid = await boxPid()
    await guest.sh(`kill -STOP ${pid}`)
    await guest.until('no answer for a minute; restarting the box')
    await guest.eventually('another process', async () => ![pid, 0].includes(await boxPid()))
    await guest.serving()
  })

  await t.test('a system that stands still is reset by the hardware watchdog', async () => {
    const before = starts()
    const counted = guest.said().split('reboot: ').length
    const bark = (await guest.control()).event('WATCHDOG')
    await guest.shWithoutAnswer('echo 1 >/sys/fs/cgroup/init.scope/cgroup.freeze')
    await bark
    await startsAgain(before)
    assert.equal(guest.said().split('reboot: ').length, counted, 'nobody restarted it from within')
    assert.equal((await alice.ask('GET', listPath)).status, 200)
  })

  await t.test('after a power cut the clock goes on from where it was', async () => {
    await guest.sh('systemctl stop systemd-timesyncd && systemctl start systemd-timesyncd')
    const before = await number('date +%s')
    await guest.cutPower()
    guest.start(noClock)
    await guest.serving()
    await guest.shellReady()
    const after = await number('date +%s')
    assert.ok(after >= before - 60 && after < before + 3600, `${after} after ${before}`)
  })

  const forgets = async (ask: () => Promise<void>): Promise<void> => {
    await guest.sh('touch /data/marker /data/store/marker /data/system/provisioned')
    const before = starts()
    const resets = guest.said().split('porchlight: factory reset').length
    await ask()
    await startsAgain(before)
    assert.equal(guest.said().split('porchlight: factory reset').length, resets + 1)
    assert.equal(await guest.sh('find /data -name marker -o -name provisioned -o -name factory-reset'), '')
    assert.equal((await alice.ask('GET', listPath)).status, 401, 'nobody is known any more')
  }

  await t.test('factory reset by the button, held for eight seconds and not for two', async () => {
    const control = await guest.control()
    const press = (down: boolean) =>
      control.do('input-send-event', {
        events: [{ type: 'key', data: { down, key: { type: 'qcode', data: 'f1' } } }],
      })
    await press(true)
    await guest.sh('sleep 2')
    await press(false)
    await guest.sh('sleep 8')
    await guest.sh('[ ! -e /data/factory-reset ]')
    await forgets(() => press(true))
    assert.match(guest.said(), /porchlight: reset button held/)
  })

  await t.test('factory reset by command', async () =>
    forgets(() => guest.shWithoutAnswer('/usr/lib/porchlight/factory-reset')),
  )

  await t.test('factory reset by a file on a stick, which is deleted', async () => {
    stick.put('factory-reset', { content: '' })
    await forgets(() => guest.plugIn(stick))
    assert.ok(!stick.has('factory-reset'))
  })
})
