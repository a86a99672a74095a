/** A presence document in which everything occurs that there are permissions for, and what is left of it. */

import { parsePidf } from '../../../../../src/documents/pidf-parts.ts'
import { canonicalText } from '../../../../../src/documents/xml/compare.ts'
import { isElement, type XmlElement } from '../../../../../src/documents/xml/tree.ts'
import { filterPresence } from '../../../../../src/entities/presence-server/rules/filter.ts'
import { ask, rule, ruleset, setOf } from './rules-of.ts'

export const full = `<?xml version="1.0" encoding="UTF-8"?>
<!-- nobody's business --><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" xmlns:op="urn:oma:xml:prs:pidf:oma-pres" xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10" xmlns:foo="urn:vendor-specific:foo-namespace" entity="sip:alice@example.com">
<tuple id="t1"><status><basic>open</basic><gp:geopriv><gp:location-info/><gp:usage-rules/></gp:geopriv><foo:inner/></status>
 <rpid:class>biz</rpid:class><rpid:service-class><rpid:electronic/></rpid:service-class><rpid:privacy><rpid:audio/></rpid:privacy>
 <rpid:relationship><rpid:friend/></rpid:relationship><rpid:status-icon>http://example.com/i.png</rpid:status-icon>
 <rpid:user-input id="u" idle-threshold="600" last-input="2026-11-20T10:00:00Z">idle</rpid:user-input>
 <op:service-description><op:service-id>org.openmobilealliance:PoC-session</op:service-id><op:version>1.0</op:version></op:service-description>
 <op:willingness><op:basic>open</op:basic></op:willingness><op:session-participation><op:basic>open</op:basic></op:session-participation>
 <op:registration-state>active</op:registration-state><op:barring-state>terminated</op:barring-state>
 <dm:deviceID>urn:uuid:d1</dm:deviceID><foo:foo>bar</foo:foo><!-- secret -->
 <contact priority="0.8">sip:Alice@Example.com</contact><note>tuple note</note><timestamp>2026-11-20T10:00:00Z</timestamp></tuple>
<tuple id="t2"><status><basic>closed</basic></status><contact>mailto:alice@example.com</contact></tuple>
<note>root note</note>
<dm:person id="p1"><rpid:activities><rpid:note>inner note</rpid:note><rpid:away/></rpid:activities><rpid:class>home</rpid:class><rpid:mood><rpid:happy/></rpid:mood>
 <rpid:place-is/><rpid:place-type><rpid:other>x</rpid:other></rpid:place-type><rpid:sphere><rpid:work/></rpid:sphere><rpid:time-offset>60</rpid:time-offset>
 <op:overriding-willingness><op:basic>open</op:basic></op:overriding-willingness><dm:note>person note</dm:note><dm:timestamp>2026-11-20T10:00:00Z</dm:timestamp></dm:person>
<dm:device id="d1"><op:network-availability><op:network id="IMS"><op:active/></op:network></op:network-availability><rpid:class>biz</rpid:class><dm:deviceID>urn:uuid:d1</dm:deviceID><dm:note>device note</dm:note><dm:timestamp>2026-11-20T10:00:00Z</dm:timestamp></dm:device>
<foo:extension/>
</presence>
`

/** What one sees whose rule has these transformations. */
export function filtered(transformations: string, document = full): string {
  const { permissions } = ask(
    setOf('common-policy', ruleset(rule('', 'allow', transformations))),
    'sip:bob@example.com',
  )
  return Buffer.from(filterPresence(parsePidf(Buffer.from(document)), permissions)).toString()
}

/** The components by their ids, each with the local names of what is in it: `t1: status(basic) contact`. */
export function outline(document: string): string[] {
  const { root } = parsePidf(Buffer.from(document))
  return root.children.filter(isElement).map(component => {
    const id = component.attributes.find(({ name }) => name === 'id')?.value ?? component.name
    const names = component.children.filter(isElement).map(child => named(child))
    return names.length === 0 ? id : `${id}: ${names.join(' ')}`
  })
}

function named(element: XmlElement): string {
  const inner = element.name === 'status' ? element.children.filter(isElement).map(({ name }) => name) : []
  return inner.length === 0 ? element.name : `${element.name}(${inner.join(' ')})`
}

export function canonical(document: string): string {
  return canonicalText(parsePidf(Buffer.from(document)).root)
}
