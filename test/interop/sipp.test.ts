/** sipp with scenarios of ours: digest, the life of a publication, of a subscription, messages between users, bad requests. */

import { after, before, describe, test } from 'node:test'
import { type Box, domain, freePortOfBoth, startBox } from './box.ts'
import { runSipp } from './sipp.ts'

describe('sipp', () => {
  let box: Box
  before(async () => {
    box = await startBox()
  })
  after(() => box.stop())

  for (const [transport, name] of [
    ['u1', 'UDP'],
    ['t1', 'TCP'],
  ] as const) {
    test(`registers with digest, asks, and leaves, over ${name}`, async () => {
      await runSipp(box, { scenario: 'register', user: 'alice', transport })
    })
    test(`publishes, refreshes, modifies, removes, over ${name}`, async () => {
      await runSipp(box, { scenario: 'publish', user: 'alice', transport, digestUri: `alice@${domain}`, calls: 5 })
    })
    test(`subscribes, refreshes, unsubscribes, a NOTIFY after each, over ${name}`, async () => {
      const keys = { watched: 'bob' }
      await runSipp(box, {
        scenario: 'subscribe',
        user: 'alice',
        transport,
        digestUri: `bob@${domain}`,
        keys,
        calls: 5,
      })
    })
    test(`subscribes to a list of its own making, over ${name}`, async context => {
      if (box.isReference) return context.skip('the reference has no list server')
      await runSipp(box, { scenario: 'list', user: 'alice', transport, digestUri: `rls@${domain}`, calls: 3 })
    })
    for (const [scenario, title] of [
      ['partial-publication', 'publishes what changes, and has patches that do not apply refused'],
      ['partial-notification', 'is told what changes'],
      ['filter', 'is told what its filter lets through'],
      ['conditional', 'is told nothing that it knows'],
    ] as const)
      test(`${title}, over ${name}`, async context => {
        if (box.isReference) return context.skip('the reference can do none of it')
        await runSipp(box, { scenario, user: 'alice', transport, digestUri: `alice@${domain}`, calls: 3 })
      })
  }

  test('refuses a wrong password', async () => {
    await runSipp(box, { scenario: 'register-wrong-password', user: 'alice', password: 'wrong' })
  })

  for (const [transport, name] of [
    ['u1', 'UDP'],
    ['t1', 'TCP'],
  ] as const)
    test(`carries a MESSAGE from one user to another, over ${name}`, async () => {
      const localPort = await freePortOfBoth()
      await runSipp(box, { scenario: 'register-and-stay', user: 'bob', transport, localPort })
      const receiving = runSipp(box, { scenario: 'message-receive', user: 'bob', transport, localPort })
      const keys = { peer: 'bob' }
      await runSipp(box, { scenario: 'message-send', user: 'alice', transport, digestUri: `bob@${domain}`, keys })
      await receiving
    })
})

describe('sipp without authentication', () => {
  let box: Box
  before(async () => {
    box = await startBox({ authRequired: false })
  })
  after(() => box.stop())

  for (const [transport, name] of [
    ['u1', 'UDP'],
    ['t1', 'TCP'],
  ] as const)
    test(`has every bad request refused as its standard says, over ${name}`, async context => {
      if (box.isReference) return context.skip('the reference refuses some of them otherwise')
      await runSipp(box, { scenario: 'bad-requests', user: 'alice', transport })
    })
})
