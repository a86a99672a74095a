/** RFC 4825 §6: URIs, document selectors, node selectors and namespace bindings. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseXml } from '../../../src/documents/xml/parse.ts'
import { HttpRefusal } from '../../../src/protocols/http/errors.ts'
import { parseXcapUri } from '../../../src/protocols/xcap/document-selector.ts'
import { parseNodeSelector } from '../../../src/protocols/xcap/node-selector.ts'
import { selectedText } from '../../../src/protocols/xcap/select.ts'
import { DocumentBox } from '../../unit/entities/xdms/box.ts'

const watcherinfo = `<?xml version="1.0"?>
<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"
             version="0" state="full">
  <watcher-list resource="sip:professor@example.net"
                package="presence">
    <watcher status="active"
             id="8ajksjda7s"
             duration-subscribed="509"
             event="approved">sip:userA@example.net</watcher>
    <watcher status="pending"
             id="hh8juja87s997-ass7"
             display-name="Mr. Subscriber"
             event="subscribe">sip:userB@example.org</watcher>
  </watcher-list>
</watcherinfo>
`

const foo = `<?xml version="1.0"?>
<foo xmlns="urn:test:default-namespace">
  <ns1:bar xmlns:ns1="urn:test:namespace1-uri"
           xmlns="urn:test:namespace1-uri">
    <baz/>
    <ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>
  </ns1:bar>
  <ns3:hi xmlns:ns3="urn:test:namespace3-uri">
    <there/>
  </ns3:hi>
</foo>`

function selected(document: string, selector: string, namespace: string, query = ''): string | undefined {
  return selectedText(parseXml(Buffer.from(document)), parseNodeSelector(selector, query, namespace))
}

function refusal(run: () => unknown): number | undefined {
  try {
    run()
  } catch (error) {
    if (error instanceof HttpRefusal) return error.status
    throw error
  }
  return undefined
}

test('§6.3: the selector of Figure 3 selects the first watcher', () => {
  const text = selected(
    watcherinfo,
    'watcherinfo/watcher-list/watcher%5B@id=%228ajksjda7s%22%5D',
    'urn:ietf:params:xml:ns:watcherinfo',
  )
  assert.match(text!, /^<watcher status="active"[^<]*>sip:userA@example\.net<\/watcher>$/)
})

test('§6.4: namespaces come from the query, whatever prefixes the document uses', () => {
  const namespace = 'urn:test:default-namespace'
  const query = 'xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace1-uri)'
  assert.equal(selected(foo, '/foo/a:bar/b:baz'.slice(1), namespace, query), '<baz/>')
  const second = 'xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace2-uri)'
  const other = '<ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>'
  assert.equal(selected(foo, 'foo/a:bar/b:baz', namespace, second), other)
  const third = `${second}xmlns(d=urn:test:default-namespace)`
  assert.equal(selected(foo, 'd:foo/a:bar/b:baz', namespace, third), other)
})

test('§10: the bindings in scope for an element, in its own name', () => {
  const query = 'xmlns(df=urn:test:default-namespace)xmlns(df2=urn:test:namespace1-uri)'
  const text = selected(foo, 'df:foo/df2:bar/df2:baz/namespace::*', 'urn:x', query)!
  const { declarations, name } = parseXml(Buffer.from(text))
  assert.equal(name, 'baz')
  assert.deepEqual([...declarations].sort(), [
    ['', 'urn:test:namespace1-uri'],
    ['ns1', 'urn:test:namespace1-uri'],
  ])
})

test('§6.4: parts of other XPointer schemes are ignored; parentheses balance or are escaped', () => {
  const at = (query: string) => selected('<p:a xmlns:p="u(x)"/>', 'q:a', '', encodeURI(query))
  assert.equal(at('xmlns(q=u(x))'), '<p:a xmlns:p="u(x)"/>')
  assert.equal(at('element(/1) xmlns(q=v)xmlns( q = u(x) )'), '<p:a xmlns:p="u(x)"/>')
  assert.equal(selected('<p:a xmlns:p="u)"/>', 'q:a', '', encodeURI('xmlns(q=u^))')), '<p:a xmlns:p="u)"/>')
  assert.equal(
    refusal(() => at('xmlns(q=u')),
    400,
  )
  assert.equal(
    refusal(() => at('q=u')),
    400,
  )
})

test('§8: a prefix that the query does not bind is 400; an extension selector is 404', () => {
  assert.equal(
    refusal(() => selected(foo, 'x:foo', '')),
    400,
  )
  assert.equal(
    refusal(() => selected(foo, 'foo/@x:a', '')),
    400,
  )
  const extensions = ['foo[last()]', 'foo//bar', 'foo/', '', '/foo', 'foo[1][2]', 'foo[@a="1"][1]', '@a', 'foo[a="1"]']
  for (const text of [...extensions, 'foo[@a=1]', 'foo/text()', 'foo[@a="<"]', 'foo/namespace::x', '1foo', 'foo[x]'])
    assert.equal(
      refusal(() => selected(foo, encodeURI(text), '')),
      404,
      text,
    )
  assert.equal(
    refusal(() => selected(foo, 'foo%ff', '')),
    400,
  )
})

test('§6.3: attribute values are AttValues: either quote, references, slashes; comparison is by what they mean', () => {
  const document = '<a><b u="http://x/y?a=1&amp;b=2"/><b u="it\'s &quot;"/><b u="é"/></a>'
  assert.equal(
    selected(document, encodeURI('a/b[@u="http://x/y?a=1&amp;b=2"]').replace('?', '%3f'), ''),
    '<b u="http://x/y?a=1&amp;b=2"/>',
  )
  assert.ok(selected(document, encodeURI(`a/b[@u="it's &quot;"]`), ''))
  assert.ok(selected(document, encodeURI("a/b[@u='it&apos;s \"']"), ''))
  assert.ok(selected(document, 'a/b%5b@u=%22%C3%A9%22%5d/@u', ''))
  assert.ok(selected(document, encodeURI('a/b[@u="&#xe9;"]'), ''))
  assert.ok(selected(document, encodeURI('a/*[3][@u="é"]'), ''))
})

test('§6.3: a namespace declaration is no attribute', () => {
  assert.equal(selected('<a xmlns="u"/>', encodeURI('a[@xmlns="u"]'), 'u'), undefined)
  assert.equal(selected('<a xmlns="u"/>', 'a/@xmlns', 'u'), undefined)
})

test('§6: the first ~~ separates, in whatever spelling; later ones belong to the selector', () => {
  for (const separator of ['~~', '%7E%7e', '~%7E']) {
    const uri = parseXcapUri(`/r/auid/users/sip:a@b/index/${separator}/a/b%5b@c=%22~~/~~%22%5d`, '/r')
    assert.deepEqual([uri.auid, uri.xui, uri.path, uri.node], ['auid', 'sip:a@b', 'index', 'a/b%5b@c=%22~~/~~%22%5d'])
  }
})

test('§6.1, XDM-05: what is not below the root, or neither users nor global, is 404; so is every way out of the tree', () => {
  const targets = ['/x/users/a/index', '/r', '/r/', '/r/auid', '/r/auid/users', '/r/auid/users/a', '/r/auid/users/a/']
  targets.push('/r/auid/other/a/index', '/r//users/a/index', '/r/auid/users/../index', '/r/auid/users/%2e%2e/index')
  targets.push('/r/auid/users/a/../b', '/r/auid/users/a/b%2fc', '/r/auid/users/a/%00', '/r/auid/users/a/b/c/d/e/f')
  targets.push(`/r/auid/users/a/${'x'.repeat(300)}`, '/rr/auid/users/a/index')
  for (const target of targets)
    assert.equal(
      refusal(() => parseXcapUri(target, '/r')),
      404,
      target,
    )
  assert.equal(
    refusal(() => parseXcapUri('/r/auid/users/%zz/index', '/r')),
    400,
  )
  assert.equal(parseXcapUri('https://xcap.example.com:8443/r/auid/global/index?q', '/r').query, 'q')
})

test('§6.2, XDM-03, XDM-27: every way of writing an XUI is one user', () => {
  const box = new DocumentBox()
  const document = '<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists"/>'
  const type = 'application/resource-lists+xml'
  const at = (xui: string) => `/resource-lists/users/${xui}/index`
  const { etag } = box.put(at('sip:bill@example.com'), document, type)
  const spellings = [
    'sip%3Abill%40example.com',
    'sip:%62ill@EXAMPLE.com',
    'sips:bill@example.com',
    'SIP:bill@example.com',
  ]
  for (const xui of [...spellings, 'bill@example.com', 'bill', 'sip:bill@example.com;user=phone'])
    assert.equal(box.get(at(xui)).etag, etag, xui)
  const user = '+15551234'
  const number = box.put(at('tel:+1-555-1234'), document, type, { user })
  assert.equal(number.status, 201)
  for (const xui of ['tel:+15551234', 'tel%3A%2B1(555)1234', 'sip:+15551234@example.com;user=phone'])
    assert.equal(box.get(at(xui), { user }).etag, number.etag, xui)
  for (const xui of ['sip:nobody@example.com', 'sip:bill@elsewhere.example', 'tel:+1999', '%3A', 'sip:'])
    assert.equal(box.get(at(xui)).status, 404, xui)
})
