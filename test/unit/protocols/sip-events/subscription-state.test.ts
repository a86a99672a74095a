/** The state machine of RFC 3857 §4.7.1 figure 1, arrow by arrow. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  transition,
  type WatcherEvent,
  type WatcherStatus,
} from '../../../../src/protocols/sip-events/subscription-state.ts'

const arrows: readonly [WatcherStatus, WatcherEvent, WatcherStatus][] = [
  ['pending', 'approved', 'active'],
  ['pending', 'timeout', 'waiting'],
  ['pending', 'noresource', 'terminated'],
  ['pending', 'rejected', 'terminated'],
  ['pending', 'deactivated', 'terminated'],
  ['pending', 'probation', 'terminated'],
  ['pending', 'giveup', 'terminated'],
  ['active', 'noresource', 'terminated'],
  ['active', 'rejected', 'terminated'],
  ['active', 'deactivated', 'terminated'],
  ['active', 'probation', 'terminated'],
  ['active', 'timeout', 'terminated'],
  ['waiting', 'noresource', 'terminated'],
  ['waiting', 'rejected', 'terminated'],
  ['waiting', 'giveup', 'terminated'],
  ['waiting', 'approved', 'terminated'],
]

test('PS-52: figure 1 has these arrows and no others', () => {
  const statuses: WatcherStatus[] = ['pending', 'active', 'waiting', 'terminated']
  const events: WatcherEvent[] = [
    'subscribe',
    'approved',
    'deactivated',
    'probation',
    'rejected',
    'timeout',
    'giveup',
    'noresource',
  ]
  for (const from of statuses) {
    for (const event of events) {
      const arrow = arrows.find(([status, by]) => status === from && by === event)
      assert.equal(transition(from, event), arrow?.[2], `${from} ${event}`)
    }
  }
})
