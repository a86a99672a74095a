/** RFC 5118 end to end: what a box with IPv6 addresses does with each message, as a datagram and on a connection. */

import assert from 'node:assert/strict'
import { messages, octets } from '../../fixtures/rfc5118/messages.ts'
import { boxTests, type Row } from '../torture-box.ts'

const asked = 'the box as delivered asks who it is first: 401 as registrar, 407 as proxy (RFC 3261 §22)'

const rows: Readonly<Record<string, Row>> = {
  'ipv6-good': {
    box: 401,
    laboratory: 200,
    why: asked,
    check: ({ responses }) => {
      assert.match(responses[0]!.header('Contact')!, /@\[2001:db8::1\]/)
      // The sender is where Via says; without `received` in it nothing is added (RFC 3261 §18.2.1).
      assert.match(responses[0]!.header('Via')!, /^SIP\/2\.0\/\w+ \[2001:db8::9:1\]/)
    },
  },
  'ipv6-bad': { box: 400, laboratory: 400 },
  'port-ambiguous': {
    box: 407,
    laboratory: 403,
    why: `${asked}; the address is the one that ends in 5070, as the RFC says, and that is not the box`,
  },
  'port-unambiguous': { box: 401, laboratory: 200, why: asked },
  // A BYE to the box outside any dialog: RFC 5118 only asks that the message is parsed and processed.
  'via-received-param-with-delim': { box: 405, laboratory: 405 },
  'via-received-param-no-delim': {
    box: 200,
    laboratory: 200,
    // "When sending [...] implementations must not put the delimiting [ and ]": ours is written without.
    check: ({ responses }) => assert.match(responses[0]!.header('Via')!, /;received=2001:db8::9:1(;|$)/),
  },
  'ipv6-in-sdp': {
    box: 407,
    laboratory: 'forwarded',
    domain: '[2001:db8::10]',
    callee: 'sip:user@[2001:db8::10]',
    why: asked,
    check: ({ forwarded }) =>
      assert.match(Buffer.from(forwarded[0]!.request.body).toString(), /c=IN IP6 2001:db8::20\r\n/),
  },
  'mult-ip-in-header': {
    box: 407,
    laboratory: 'forwarded',
    domain: 'host.example.net',
    callee: 'sip:user@host.example.net',
    why: asked,
    check: ({ forwarded }) => assert.equal(forwarded[0]!.request.headers('Via').length, 4),
  },
  'mult-ip-in-sdp': {
    box: 407,
    laboratory: 'forwarded',
    domain: '[2001:db8::10]',
    callee: 'sip:user@[2001:db8::10]',
    why: asked,
  },
  'ipv4-mapped-ipv6': { box: 407, laboratory: 'forwarded', callee: 'sip:user@example.com', why: asked },
  'ipv6-bug-abnf-3-colons': {
    box: 407,
    laboratory: 'forwarded',
    domain: '[2001:db8::192.0.2.1]',
    callee: 'sip:user@[2001:db8::192.0.2.1]',
    why: asked,
  },
  'ipv6-correct-abnf-2-colons': {
    box: 407,
    laboratory: 'forwarded',
    domain: '[2001:db8::192.0.2.1]',
    callee: 'sip:user@[2001:db8::192.0.2.1]',
    why: asked,
  },
}

boxTests('RFC 5118', messages, octets, rows, true)
