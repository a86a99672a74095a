/** Fuzz targets of what XDMSs and Aggregation Proxies elsewhere say: it is read, or counts for nothing. */

import { strict as assert } from 'node:assert'
import { capabilitiesOf, foldersOf, partOf } from '../../src/entities/aggregation-proxy/gathering.ts'
import { canonicalUri } from '../../src/entities/presence-server/authorize.ts'
import { toldBy } from '../../src/entities/xdm-client/document-changes.ts'
import { isWithin } from '../../src/protocols/http/address-range.ts'
import { assertedSender } from '../../src/protocols/http/asserted-identity.ts'
import { HttpRefusal } from '../../src/protocols/http/errors.ts'
import { SipRequest } from '../../src/protocols/sip/message.ts'
import { defaultSettings, parseSetting, SettingError } from '../../src/settings.ts'
import type { Turn } from '../../src/turn.ts'
import type { FuzzTarget } from './run.ts'

const alice = 'sip:alice@box.example'
const remote = { uri: 'http://x.example/r', credentials: undefined, auids: ['pres-rules', 'a'] }
const turn = { settings: defaultSettings({ 'xdms.trusted': '192.0.2.0/24' }) } as Turn

export const targets: readonly FuzzTarget[] = [
  {
    name: 'xcap-diff notified',
    seeds: [
      `<xcap-diff xmlns="urn:ietf:params:xml:ns:xcap-diff" xcap-root="http://x/r/"><document sel="pres-rules/users/${alice}/index" previous-etag="1" new-etag="2"><add sel="*"/></document><document sel="a/global/%7e%C3%A9/b"/></xcap-diff>`,
    ].map(text => Buffer.from(text)),
    run(bytes) {
      const request = new SipRequest('NOTIFY', 'sip:a@b', [], bytes)
      for (const { path, auid } of toldBy(request, alice, xui => (xui === 'alice' ? alice : undefined)) ?? []) {
        assert.ok(path !== '')
        assert.equal(typeof auid, 'string')
      }
    },
  },
  {
    name: 'capabilities and directories gathered',
    seeds: [
      '<xcap-caps xmlns="urn:ietf:params:xml:ns:xcap-caps"><auids><auid>a</auid></auids><namespaces><namespace>n</namespace></namespaces></xcap-caps>',
      `<xcap-directory xmlns="urn:oma:xml:xdm:xcap-directory"><folder auid="pres-rules"><entry uri="http://x/r/pres-rules/users/b/i" etag="&quot;1&quot;" last-modified="2026-01-01T00:00:00Z" size="7"/></folder><folder auid="a"><error-code>500</error-code></folder></xcap-directory>`,
    ].map(text => Buffer.from(text)),
    run(bytes) {
      const part = partOf(remote, { status: 200, headers: {}, body: bytes })
      for (const list of ['auids', 'extensions', 'namespaces']) capabilitiesOf(part, list)
      for (const folder of foldersOf(part, 'https://box/root')) assert.ok(remote.auids.includes(folder.auid))
    },
  },
  {
    name: 'asserted identity',
    seeds: ['"sip:alice@box.example", "tel:+1555"', 'sip:a@b', '"a"b"'].map(text => Buffer.from(text)),
    run(bytes) {
      const value = Buffer.from(bytes).toString('latin1')
      const source = { address: '192.0.2.1', isSecure: false }
      const request = {
        method: 'GET',
        target: '/',
        headers: { 'x-3gpp-asserted-identity': value },
        body: bytes,
        source,
      }
      const users = { userOf: (uri: string) => uri, isUser: (user: string) => user === alice }
      try {
        const { user, identities } = assertedSender(request, turn.settings.xdms, users)
        assert.equal(user === undefined, identities.length === 0)
        // What has been made canonical stays as it is.
        for (const identity of identities) assert.equal(canonicalUri(identity), identity)
      } catch (error) {
        if (!(error instanceof HttpRefusal)) throw error
      }
    },
  },
  {
    name: 'address range',
    seeds: ['192.0.2.0/24', '2001:db8::/32', '::ffff:1.2.3.4', '::1/128', '1.2.3.4/0'].map(text => Buffer.from(text)),
    run(bytes) {
      const text = Buffer.from(bytes).toString('latin1')
      try {
        parseSetting('xdms.trusted', text)
      } catch (error) {
        if (error instanceof SettingError) return
        throw error
      }
      // Whatever the operator may write can be asked about.
      for (const range of text.split(',').map(part => part.trim())) {
        for (const address of ['192.0.2.7', '2001:db8::7', '::ffff:192.0.2.7']) isWithin(address, range)
        const [network = ''] = range.split('/')
        assert.ok(range === '' || isWithin(network, range), range)
      }
    },
  },
]
