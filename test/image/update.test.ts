/**
 * A unit is updated in the emulator: from a stick and blessed; over HTTPS, the download broken once, to a version that
 * migrates the data and never serves, so that the old one is back with data and reason; and to a slot that was changed.
 */

import assert from 'node:assert/strict'
import { copyFileSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { drawCode } from '../../firmware/identity/personalise.ts'
import { partition } from '../../image/partitions/layout.ts'
import { productVersion, run } from '../../image/tools.ts'
import { HttpClient } from '../end-to-end/http-client.ts'
import { BundleServer } from './bundle-server.ts'
import { Guest } from './guest.ts'
import { provisionedImage } from './guest-world.ts'
import { Stick } from './stick.ts'
import { buildBundle, variantFolder } from './variants.ts'

const timeout = 2_400_000
const [first, good, bad] = [productVersion(), '0.1.1', '0.1.2']
const listPath = '/xcap-root/resource-lists/users/sip:alice@box.example/index'
const list =
  '<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"><list name="friends"/></resource-lists>'

test('updates: blessed when good, left again when bad, not started when changed; the data stays', {
  timeout,
}, async t => {
  const bundles = {
    good: buildBundle({ version: good }),
    bad: buildBundle({ version: bad, application: 'next-format.ts' }),
  }
  const server = new BundleServer()
  const image = await provisionedImage(join(variantFolder, 'update.img'), {
    serial: 'PL-000043',
    code: drawCode(),
    authorities: server.certificate,
  })
  t.after(() => rmSync(image, { force: true }))
  const stick = new Stick(join(variantFolder, 'stick.img'))
  t.after(() => stick.remove())
  const guest = await Guest.make(t, 'update', image)
  const alice = new HttpClient(t, guest.ports.https, true, { username: 'alice', password: 'secret of Alice' })
  const document = async () => (await alice.ask('GET', listPath)).body
  const starts = (version: string) => guest.said().split(`porchlight: version ${version} starts`).length - 1
  const state = async () => JSON.parse(await guest.sh('cat /data/update/state.json'))
  const slotOf = async () => guest.sh('cat /run/porchlight/slot')

  await t.test(
    'a stick: a changed bundle is refused, a good one starts from the other slot, serves, and is blessed',
    async () => {
      const changed = join(variantFolder, 'changed.bundle')
      copyFileSync(bundles.good, changed)
      t.after(() => rmSync(changed, { force: true }))
      // Of the signed head; what comes behind it is not asked for.
      run('dd', ['if=/dev/zero', `of=${changed}`, 'bs=1', 'count=8', 'seek=200', 'conv=notrunc'])
      truncateSync(changed, 2 ** 20)
      stick.put('a.bundle', { file: changed }).put('b.bundle', { file: bundles.good })
      guest.start()
      await guest.serving()
      const put = await alice.ask('PUT', listPath, list, { 'content-type': 'application/resource-lists+xml' })
      assert.equal(put.status, 201)
      await guest.plugIn(stick)
      await guest.until(`porchlight: version ${good} is blessed`)
      await guest.serving()
      await guest.shellReady()
      assert.match(stick.read('a.bundle.txt'), /its signature is not of a known key/)
      assert.ok(stick.has('a.bundle.done') && stick.has('b.bundle.done') && !stick.has('b.bundle'))
      assert.match(stick.read('b.bundle.txt'), new RegExp(`installed version ${good}`))
      assert.equal(await slotOf(), '/dev/vda3')
      await guest.eventually('updated', async () => (await state()).state === 'updated')
      assert.deepEqual(await state(), { state: 'updated', version: good })
      assert.equal(await document(), list)
      await guest.pullOut()
    },
  )

  await t.test(
    'HTTPS, broken off once: what never serves has three tries, then the old version is back, data and reason',
    async () => {
      await server.serve(t, bundles.bad)
      const request = JSON.stringify({ source: server.url })
      // As the box's own user, who is the only one that may leave requests.
      await guest.sh(
        `setpriv --reuid=porchlight --regid=porchlight --clear-groups sh -c 'echo ${JSON.stringify(request)} >/data/update/requests/1.json'`,
      )
      const before = starts(good)
      // Each start has a patience of its own.
      for (const time of [1, 2, 3]) await guest.until(`porchlight: version ${bad} starts`, time)
      await guest.until(`porchlight: version ${good} starts`, before + 1)
      await guest.serving()
      assert.equal(starts(bad), 3, 'three tries')
      assert.equal(server.asked[0], 0)
      assert.ok(server.asked.length === 2 && server.asked[1]! > 10_000_000, `goes on where it broke: ${server.asked}`)
      await guest.shellReady()
      const reason = `version ${bad} did not serve; version ${good} runs again`
      assert.deepEqual(await state(), { state: 'failed', version: bad, reason })
      assert.match(
        await guest.sh('journalctl --unit=porchlight-settle --output=cat'),
        /documents by format: [1-9]\d*, 0/,
      )
      assert.equal(await document(), list)
    },
  )

  await t.test(
    'a slot that was changed after it was written is not started: the old version is, and says so',
    async () => {
      stick.put('c.bundle', { file: bundles.bad })
      await guest.plugIn(stick)
      // Installed, it asks for a restart: before that comes, the stick is pulled out and the slot changed.
      await guest.untilReset()
      await guest.pullOut()
      // The root's first block, which holds what every mount reads.
      run('qemu-io', ['-c', `write -P 0xff ${partition('porchlight-a').start + 1000} 1`, guest.disk])
      const before = { good: starts(good), bad: starts(bad) }
      guest.start()
      await guest.until(`no slot holds version ${bad}`)
      await guest.until(`porchlight: version ${good} starts`, before.good + 1)
      await guest.serving()
      await guest.shellReady()
      assert.equal(starts(bad), before.bad + 1, 'it is not tried again')
      const { state: found, reason } = await state()
      assert.equal(found, 'failed')
      assert.match(reason, new RegExp(`version ${bad} did not serve; version ${good} runs again`))
      assert.equal(await document(), list)
    },
  )
  assert.equal(starts(first), 1)
})
