/**
 * RFC 4480 (rich presence), RFC 4481 (timed status), RFC 4482 (contact information), RFC 5196 (capabilities) and OMA's
 * elements: all of them pass publication and composition, whole and in place (PS-65 to PS-68, OP-01 to OP-07).
 */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { cipidNamespace } from '../../../src/documents/cipid.ts'
import { dataModelNamespace } from '../../../src/documents/data-model.ts'
import {
  omaDataExtension11Namespace,
  omaPresenceNamespace,
  omaTupleElements,
} from '../../../src/documents/oma-presence.ts'
import { parsePidf } from '../../../src/documents/pidf-parts.ts'
import { publishedPidf } from '../../../src/documents/published-pidf.ts'
import { rpidNamespace } from '../../../src/documents/rpid.ts'
import { timedStatusNamespace } from '../../../src/documents/timed-status.ts'
import { capabilitiesNamespace } from '../../../src/documents/user-agent-capabilities.ts'
import { canonicalText } from '../../../src/documents/xml/compare.ts'
import { childElements } from '../../../src/documents/xml/tree.ts'
import { compose } from '../../../src/entities/presence-server/compose.ts'

/** RFC 4480 §3.1 table 1. */
const rpidElements =
  'activities class deviceID mood place-is place-type privacy relationship service-class sphere status-icon time-offset user-input'.split(
    ' ',
  )
/** RFC 4480 §3.2. */
const rpidActivities = (
  'appointment away breakfast busy dinner holiday in-transit looking-for-work lunch meal meeting on-the-phone other ' +
  'performance permanent-absence playing presentation shopping sleeping spectator steering travel tv unknown vacation ' +
  'working worship'
).split(' ')
/** RFC 4482 §3. */
const cipidElements = ['card', 'display-name', 'homepage', 'icon', 'map', 'sound']

const document = (content: string) =>
  Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="${dataModelNamespace}" entity="pres:someone@example.com">${content}</presence>`,
  )
const inTuple = (content: string) => `<tuple id="t"><status><basic>open</basic></status>${content}</tuple>`
const inPerson = (content: string) => `<dm:person id="p">${content}</dm:person>`
const inDevice = (content: string) => `<dm:device id="d">${content}<dm:deviceID>urn:x:1</dm:deviceID></dm:device>`

/** Publishes `content` beside another source, so that it is taken apart and put together. */
function carried(content: string): void {
  const published = document(content)
  const other = document('<dm:person id="o"><dm:note>other</dm:note><dm:other/></dm:person>')
  const source = (bytes: Uint8Array, n: number) =>
    ({ key: `k${n}`, kind: 'soft', bytes, since: n, publishedAt: n, summary: publishedPidf(bytes) }) as const
  const { bytes } = compose('sip:a@b', [source(published, 1), source(other, 2)], undefined, {
    now: 0,
    maximumOctets: 65_536,
  })
  const texts = childElements(parsePidf(bytes).root).flatMap(part =>
    childElements(part).map(child => canonicalText(child)),
  )
  for (const part of childElements(parsePidf(published).root)) {
    for (const child of childElements(part))
      assert.ok(texts.includes(canonicalText(child)), `${child.name} in ${bytes}`)
  }
}

describe('elements that are carried', () => {
  for (const name of rpidElements) {
    it(`RFC 4480 §3: ${name} (PS-65)`, () => {
      const element = `<r:${name} xmlns:r="${rpidNamespace}"><r:other>x</r:other></r:${name}>`
      carried(inTuple(element) + inPerson(element) + inDevice(element))
    })
  }

  it('RFC 4480 §3.2: every activity, free text and foreign ones (PS-66)', () => {
    const activities = rpidActivities
      .map(name => (name === 'other' ? '<r:other>a &lt; b</r:other>' : `<r:${name}/>`))
      .join('')
    carried(
      inPerson(
        `<r:activities xmlns:r="${rpidNamespace}" from="2005-05-30T12:00:00+05:00">${activities}<x:y xmlns:x="urn:x"/></r:activities>`,
      ),
    )
  })

  it('RFC 4481 §3: timed-status, a child of tuple (PS-68)', () => {
    carried(
      inTuple(
        `<ts:timed-status xmlns:ts="${timedStatusNamespace}" from="2005-08-15T10:20:00.000-05:00" until="2005-08-22T19:30:00.000-05:00"><ts:basic>closed</ts:basic></ts:timed-status>`,
      ),
    )
  })

  for (const name of cipidElements) {
    it(`RFC 4482 §3: ${name} (PS-67)`, () => {
      const element = `<c:${name} xmlns:c="${cipidNamespace}">http://example.com/~alice?a=1&amp;b</c:${name}>`
      carried(inTuple(element) + inPerson(element))
    })
  }

  it('RFC 5196 §3: servcaps in a tuple, devcaps in a device (PS-68)', () => {
    const element = (name: string, content: string) =>
      `<caps:${name} xmlns:caps="${capabilitiesNamespace}">${content}</caps:${name}>`
    carried(
      inTuple(
        element(
          'servcaps',
          '<caps:audio>true</caps:audio><caps:methods><caps:supported><caps:MESSAGE/></caps:supported></caps:methods>',
        ),
      ) +
        inDevice(element('devcaps', '<caps:mobility><caps:supported><caps:mobile/></caps:supported></caps:mobility>')),
    )
  })

  for (const name of omaTupleElements) {
    it(`OMA ${name} (OP-01 to OP-05)`, () =>
      carried(inTuple(`<op:${name} xmlns:op="${omaPresenceNamespace}" x="1">active</op:${name}>`)))
  }

  it('OMA overriding-willingness, network-availability and link (OP-06, OP-07)', () => {
    const op = `xmlns:op="${omaPresenceNamespace}"`
    carried(
      inPerson(
        `<op:overriding-willingness ${op}><op:basic>open</op:basic></op:overriding-willingness><l:link xmlns:l="${omaDataExtension11Namespace}" l:label="me" l:priority="0.8">http://example.com</l:link>`,
      ),
    )
    carried(
      inDevice(
        `<op:network-availability ${op}><op:network id="IMS"><op:active/><op:terminated/></op:network></op:network-availability>`,
      ),
    )
  })
})
