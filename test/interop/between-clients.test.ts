/** Two other people's clients and nobody of ours between them but the box: linphone publishes, baresip watches. */

import { after, before, describe, test } from 'node:test'
import { startBaresip } from './baresip.ts'
import { type Box, startBox } from './box.ts'
import { startLinphone } from './linphone.ts'

describe('between clients', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  test('baresip sees linphone come and go', { timeout: 60_000 }, async () => {
    const linphone = await startLinphone(box, 'alice', 'tls')
    const baresip = startBaresip(box, 'carol', 'udp', 'alice')
    try {
      await baresip.until('Alice online', () => /NOTIFY sip:[\s\S]*<basic>open<\/basic>/.test(baresip.printed))
      linphone.type('quit')
      await linphone.ends()
      await baresip.until('Alice gone', () => /alice@.* changed status from \S*Online\S* to /.test(baresip.printed))
    } finally {
      linphone.type('quit')
      await linphone.ends()
      baresip.stop()
      await baresip.ends()
    }
  })
})
