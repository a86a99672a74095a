import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validate } from '../../../../src/documents/grammar/validate.ts'
import { xcapCapsGrammar } from '../../../../src/documents/grammar/xcap-caps.ts'
import { xcapDirectoryGrammar } from '../../../../src/documents/grammar/xcap-directory.ts'
import { parseXml } from '../../../../src/documents/xml/parse.ts'
import { attributeValue, childElements, trimmedText } from '../../../../src/documents/xml/tree.ts'
import { failedAnswer, type HttpAnswer } from '../../../../src/protocols/http/message.ts'
import { DocumentBox } from '../xdms/box.ts'

const rules = '/pres-rules/users/sip:bill@example.com/index'
const ruleset = '<ruleset xmlns="urn:ietf:params:xml:ns:common-policy"/>'
const rulesType = 'application/auth-policy+xml'
const lists = '/resource-lists/users/sip:bill@example.com/index'
const list = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>'
const listsType = 'application/resource-lists+xml'
const directory = '/org.openmobilealliance.xcap-directory/users/sip:bill@example.com/directory.xml'
const origin = 'http://xdms.carrier.example'

/** A box whose Presence XDMS is in another box, which believes the first one's address. */
function pair() {
  const carrier = new DocumentBox({ 'xcap.root': '/carrier', 'xdms.trusted': '192.0.2.0/24' })
  const box = new DocumentBox({ 'prs7.root': `${origin}/carrier` })
  box.servers.set(origin, request => carrier.askAsXdms(request, '192.0.2.1'))
  return { box, carrier }
}

test('AP-01, AP-07: a request goes to the XDMS of its usage, here or elsewhere, and the answer back', () => {
  const { box, carrier } = pair()
  const put = box.put(rules, ruleset, rulesType)
  assert.equal(put.status, 201)
  assert.equal(box.put(lists, list, listsType).status, 201)
  assert.deepEqual(
    carrier.changes.map(({ address }) => address.auid),
    ['pres-rules'],
  )
  assert.deepEqual(
    box.changes.map(({ address }) => address.auid),
    ['resource-lists'],
  )
  const got = box.get(rules)
  assert.deepEqual([got.status, got.body, got.type, got.etag], [200, ruleset, rulesType, put.etag])
  assert.equal(box.ask('HEAD', rules).bytes.length, ruleset.length)
  assert.equal(box.delete(rules).status, 200)
  assert.equal(box.get(rules).status, 404)
})

test('conditional requests and conflicts are those of the XDMS elsewhere', () => {
  const { box } = pair()
  const { etag } = box.put(rules, ruleset, rulesType)
  assert.equal(box.get(rules, { headers: { 'if-none-match': etag } }).status, 304)
  assert.equal(box.put(rules, ruleset, rulesType, { headers: { 'if-match': '"other"' } }).status, 412)
  const conflict = box.put(rules, '<ruleset', rulesType)
  assert.equal(conflict.status, 409)
  assert.equal(conflict.conflict.name, 'not-well-formed')
  assert.equal(box.put(rules, ruleset, 'text/plain').status, 415)
})

test('RFC 4825 §11.1: the ancestor in a conflict report is below the root that the client knows', () => {
  const carrier = new DocumentBox({ 'xcap.root': '/carrier', 'xdms.trusted': '192.0.2.0/24' })
  const box = new DocumentBox({ 'prs7.root': `${origin}/carrier`, 'xcap.root': '/ours' })
  box.servers.set(origin, request => carrier.askAsXdms(request, '192.0.2.1'))
  const missing = box.putNode(`/ours${rules}/~~/ruleset/rule`, '<rule id="a"/>')
  assert.equal(missing.status, 409)
  assert.equal(trimmedText(childElements(missing.conflict)[0]), '/ours/pres-rules/users/sip:bill@example.com/')
})

test('where something was created is told below the root that the client knows, and nothing of where the XDMS is', () => {
  const box = new DocumentBox({ 'prs7.root': `${origin}/carrier`, 'xcap.root': '/ours' })
  const says = (location: string) => {
    box.servers.set(origin, () => ({ status: 201, headers: { location, etag: '"1"' }, body: new Uint8Array(0) }))
    const answer = box.put(`/ours${rules}`, ruleset, rulesType)
    assert.equal(answer.status, 201)
    return answer.headers.Location
  }
  for (const root of [origin, 'https://xdms2.inner.example:8443', ''])
    assert.equal(says(`${root}/carrier/pres-rules/users/sip:bill@example.com/index`), `/ours${rules}`)
  assert.equal(says('https://xdms2.inner.example/elsewhere/index'), undefined)
  assert.equal(box.get(`/ours${rules}`).headers.Location, undefined)
})

test('AP-07, RP-22: documents of users of other domains are fetched through the Cross-Network Proxy, and no more', () => {
  const proxy = 'https://nni.carrier.example'
  const icon = '/org.openmobilealliance.pres-content/users/sip:eve@other.example/oma_status-icon/rcs_status_icon'
  const box = new DocumentBox({ 'xdm8.root': `${proxy}/x`, 'prs7.root': `${origin}/carrier` })
  box.servers.set(proxy, ({ method }) => ({ status: 200, headers: { etag: '"1"' }, body: Buffer.from(method) }))
  box.servers.set(origin, () => ({ status: 404, headers: {}, body: new Uint8Array(0) }))
  for (const path of [
    icon,
    icon.replace('sip:eve@other.example', 'tel:+4930123456'),
    '/unknown.usage/users/sip:a@other.example/x',
  ]) {
    assert.equal(box.get(path).body, 'GET', path)
    assert.equal(box.asked.at(-1)!.uri, `${proxy}/x${path}`)
    assert.equal(box.asked.at(-1)!.headers['X-3GPP-Asserted-Identity'], '"sip:bill@example.com"')
  }
  const asked = box.asked.length
  assert.equal(box.put(icon, '<a/>', 'application/vnd.oma.pres-content+xml').status, 403)
  assert.equal(box.delete(icon).status, 403)
  // Users of this domain, who they may be, and what is no address of anybody, stay here.
  assert.equal(box.get('/resource-lists/users/tel:+15551234/index', { user: '+15551234' }).status, 404)
  for (const xui of ['sip:nobody@example.com', 'nobody', 'sip:@', 'mailto:a@other.example'])
    assert.equal(box.get(`/resource-lists/users/${xui}/index`).status, 404, xui)
  assert.equal(box.asked.length, asked)
  assert.equal(new DocumentBox().get(icon).status, 404)
})

test('AP-02, AP-04, AP-06: the XDMS is told who has authenticated, never what the client says about himself', () => {
  const { box } = pair()
  const spoofed = {
    'x-3gpp-asserted-identity': '"sip:joe@example.com"',
    'x-xcap-asserted-identity': '"sip:joe@example.com"',
    cookie: 'secret',
  }
  box.put(rules, ruleset, rulesType, { headers: spoofed })
  const [{ headers }] = box.asked.slice(-1) as [(typeof box.asked)[number]]
  assert.equal(headers['X-3GPP-Asserted-Identity'], '"sip:bill@example.com"')
  assert.equal(headers['X-XCAP-Asserted-Identity'], '"sip:bill@example.com"')
  assert.deepEqual(
    Object.keys(headers).filter(name => /^x-.*identity$/.test(name) || /authorization|cookie|host/i.test(name)),
    [],
  )
  const number = '/pres-rules/users/sip:+15551234@example.com/index'
  assert.equal(box.put(number, ruleset, rulesType, { user: '+15551234' }).status, 201)
  assert.equal(box.asked.at(-1)!.headers['X-3GPP-Asserted-Identity'], '"sip:+15551234@example.com", "tel:+15551234"')
  assert.equal(box.put(rules, ruleset, rulesType, { user: 'joe' }).status, 403)
  const count = box.asked.length
  assert.equal(box.put(rules, ruleset, rulesType, { user: undefined }).status, 401)
  assert.equal(box.asked.length, count)
})

test('an XDMS that fails is a gateway’s failure: 502, 503 or 504', () => {
  const { box } = pair()
  const redirect: HttpAnswer = { status: 302, headers: { location: 'http://evil.example' }, body: new Uint8Array(0) }
  const refused: HttpAnswer = { ...redirect, status: 401, headers: { 'www-authenticate': 'Digest realm="x"' } }
  for (const [answer, status] of [
    [failedAnswer('unreachable'), 502],
    [failedAnswer('untrusted'), 502],
    [failedAnswer('too-large'), 502],
    [failedAnswer('busy'), 503],
    [failedAnswer('timeout'), 504],
    [redirect, 502],
    [refused, 502],
  ] as const) {
    box.servers.set(origin, () => answer)
    const seen = box.get(rules)
    assert.equal(seen.status, status)
    assert.deepEqual(Object.keys(seen.headers), ['Content-Type'])
  }
})

test('RFC 9110 §7.6.3: a root that leads back here ends the round with 508', () => {
  const box = new DocumentBox({ 'prs7.root': `${origin}` })
  const round = (headers: Readonly<Record<string, string>>) => box.get(rules, { headers: { via: headers.Via! } })
  box.servers.set(origin, ({ headers }) => {
    const { status, bytes } = round(headers)
    return { status, headers: {}, body: bytes }
  })
  assert.equal(box.get(rules).status, 508)
})

test('a node selector does not lead out of the remote root', () => {
  const { box } = pair()
  for (const upwards of ['/~~/../../../x', '/~~/%2e%2E/x', '/~~/a/./b'])
    assert.equal(box.get(`${rules}${upwards}`).status, 404)
  assert.equal(box.asked.length, 0)
})

test('a usage may have a root of its own, or be kept here', () => {
  const { carrier } = pair()
  const routed = new DocumentBox({
    'prs7.root': 'http://nowhere.example/x',
    'xcap.routes': `pres-rules=${origin}/carrier, pidf-manipulation=`,
  })
  routed.servers.set(origin, request => carrier.askAsXdms(request, '192.0.2.1'))
  assert.equal(routed.put(rules, ruleset, rulesType).status, 201)
  assert.equal(carrier.changes.length, 1)
  const pidf = '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:bill@example.com"/>'
  assert.equal(routed.put('/pidf-manipulation/users/bill/index', pidf, 'application/pidf+xml').status, 201)
  assert.equal(routed.changes.length, 1)
  assert.equal(routed.get('/org.openmobilealliance.pub-rules/users/bill/x').status, 502)
})

test('AP-08: capabilities and directory are those of all XDMSs together', () => {
  const { box } = pair()
  box.put(rules, ruleset, rulesType)
  box.put(lists, list, listsType)
  const caps = parseXml(box.get('/xcap-caps/global/index').bytes)
  validate(caps, xcapCapsGrammar)
  const plain = parseXml(new DocumentBox().get('/xcap-caps/global/index').bytes)
  for (const place of [0, 2])
    assert.deepEqual(
      new Set(childElements(childElements(caps)[place]!).map(trimmedText)),
      new Set(childElements(childElements(plain)[place]!).map(trimmedText)),
    )
  const seen = parseXml(box.get(directory).bytes)
  validate(seen, xcapDirectoryGrammar)
  const entries = childElements(seen).flatMap(folder => childElements(folder))
  assert.deepEqual(
    childElements(seen)
      .map(folder => attributeValue(folder, 'auid'))
      .sort(),
    ['pres-rules', 'resource-lists'],
  )
  for (const entry of entries) {
    const uri = attributeValue(entry, 'uri')!
    assert.ok(uri.startsWith('https://xcap.example.com/'), uri)
    assert.equal(box.get(uri).etag, attributeValue(entry, 'etag'))
  }
  // Conditions and selectors are about the whole.
  const { etag } = box.get(directory)
  assert.equal(box.get(directory, { headers: { 'if-none-match': etag } }).status, 304)
  const folder = box.get(`${directory}/~~/xcap-directory/folder%5b@auid=%22pres-rules%22%5d`)
  assert.equal(folder.status, 200)
  assert.match(folder.body, /auid="pres-rules"/)
  assert.equal(box.put(directory, '', 'text/plain').status, 405)
  assert.equal(box.get(directory, { user: 'joe' }).status, 403)
})

test('AP-08: an XDMS that fails shows as error-code in its folders, and is not missing from the capabilities', () => {
  const { box } = pair()
  box.put(lists, list, listsType)
  box.servers.set(origin, () => failedAnswer('timeout'))
  const seen = parseXml(box.get(directory).bytes)
  validate(seen, xcapDirectoryGrammar)
  const failed = childElements(seen).filter(folder => childElements(folder)[0]?.name === 'error-code')
  assert.ok(failed.some(folder => attributeValue(folder, 'auid') === 'pres-rules'))
  assert.ok(childElements(seen).some(folder => attributeValue(folder, 'auid') === 'resource-lists'))
  assert.match(box.get('/xcap-caps/global/index').body, /<auid>pres-rules<\/auid>/)
})

test('AP-04: on the listener for proxies, identities are believed from trusted addresses and certificates alone', () => {
  const box = new DocumentBox({ 'xdms.trusted': '192.0.2.9,2001:db8::/32', 'xdms.trustedNames': 'ap.carrier.example' })
  const asserted = { 'x-xcap-asserted-identity': '"tel:+15550000","sip:bill@example.com"' }
  const from = (address: string, names?: readonly string[], headers: Record<string, string> = asserted) =>
    box.askOnce('GET', rules, { headers, source: { address, isSecure: true, listener: 'xdms', names } }).status
  assert.equal(from('192.0.2.9'), 404)
  assert.equal(from('::ffff:192.0.2.9'), 404)
  assert.equal(from('2001:db8:1::7'), 404)
  assert.equal(from('198.51.100.1', ['ap.carrier.example']), 404)
  for (const refused of [
    from('192.0.2.10'),
    from('2001:db9::1'),
    from('198.51.100.1', ['other.example']),
    from('192.0.2.9', undefined, {}),
    from('192.0.2.9', undefined, { 'x-3gpp-asserted-identity': '"sip:joe@example.com"' }),
  ])
    assert.equal(refused, 403)
  assert.equal(from('192.0.2.9', undefined, { 'x-3gpp-asserted-identity': 'sip:bill@example.com' }), 404)
  assert.equal(from('192.0.2.9', undefined, { 'x-3gpp-asserted-identity': '"sip:bill@example.com' }), 400)
  const caps = { headers: {}, source: { address: '192.0.2.9', isSecure: true, listener: 'xdms' as const } }
  assert.equal(box.askOnce('GET', '/xcap-caps/global/index', caps).status, 200)
  // On the listener of clients they count for nothing.
  assert.equal(box.askOnce('GET', rules, { headers: asserted }).status, 401)
})

test('what another proxy asks for is not sent on to a third', () => {
  const { box } = pair()
  Object.assign(box.settings.xdms, { trusted: '192.0.2.9' })
  const source = { address: '192.0.2.9', isSecure: true, listener: 'xdms' as const }
  const headers = { 'x-3gpp-asserted-identity': '"sip:bill@example.com"' }
  assert.equal(box.askOnce('GET', rules, { headers, source }).status, 404)
  assert.equal(box.asked.length, 0)
})
