import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutSecrets } from '../../../src/command-line/support.ts'

test('free text loses what may be a secret', () => {
  for (const [text, secret] of [
    ['-----BEGIN PRIVATE KEY-----\nMIGHplanted\n-----END PRIVATE KEY-----', 'planted'],
    ['-----BEGIN EC PRIVATE KEY-----\nMIGHplanted', 'planted'],
    ['cannot read <?xml version="1.0"?><presence entity="sip:a@b"><note>planted</note></presence>', 'planted'],
    ['cannot read <pr:presence xmlns:pr="x">planted</pr:presence> at 3', 'planted'],
    ['Authorization: Digest username="alice", response="planted"', 'planted'],
    ['fault with response=planted, nonce="planted"', 'planted'],
    ['Basic cGxhbnRlZDpwbGFudGVk', 'cGxhbnRlZ'],
    ['added sip:a@b with password planted-1', 'planted'],
    ['changed the password of sip:a@b to planted-1', 'planted'],
    ['{"password":"planted one"}', 'planted'],
    ['DM password: planted', 'planted'],
    ['auth_secret=planted', 'planted'],
    ['https://me:planted@updates.example/x.bundle', 'planted'],
    [`HA1 ${'0123456789abcdef'.repeat(2)}`, '0123456789abcdef'],
    [`HA1 ${'0123456789ABCDEF'.repeat(4)}`, '0123456789ABCDEF'],
    [`key ${'Ab3+'.repeat(11)}=`, 'Ab3+Ab3+'],
  ] as const)
    assert.ok(!withoutSecrets(text).includes(secret), `${text} => ${withoutSecrets(text)}`)
})

test('what helps stays: addresses, faults, times and small comparisons', () => {
  for (const text of [
    'fault in presence-server: Cannot read properties of undefined (reading x) at="at f (/usr/lib/porchlight/porchlight.js:1:2)"',
    '2026-03-04T05:06:07+0000 unit porchlight[77]: {"message":"stopping on SIGTERM"}',
    'sip:alice@box.example from udp 192.0.2.7:5060, 3 < 4 and 5 > 2',
    'alarm: disk: 1.2 MiB left for data',
  ])
    assert.equal(withoutSecrets(text), text)
})
