/** RFC 4479: the presence data model, as composition sees it. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { dataModelNamespace, deviceKey } from '../../../src/documents/data-model.ts'
import { parsePidf, timestampOf } from '../../../src/documents/pidf-parts.ts'
import { publishedPidf } from '../../../src/documents/published-pidf.ts'

const document = (content: string) =>
  Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="${dataModelNamespace}" entity="pres:someone@example.com">${content}</presence>`,
  )
const tuple =
  '<tuple id="sg89ae"><status><basic>open</basic></status><dm:deviceID>urn:device:0003ba4811e3</dm:deviceID></tuple>'
const person = '<dm:person id="p1"><dm:note>n</dm:note><dm:timestamp>2005-05-30T22:00:29Z</dm:timestamp></dm:person>'
const device = '<dm:device id="pc147"><dm:deviceID>urn:device:0003ba4811e3</dm:deviceID></dm:device>'

describe('RFC 4479 §3, §4: persons, services and devices', () => {
  it('§4: person and device are children of presence beside tuples (PS-64)', () => {
    const { tuples, persons, devices, extensions } = parsePidf(document(tuple + person + device))
    assert.deepEqual([tuples.length, persons.length, devices.length, extensions.length], [1, 1, 1, 0])
    assert.equal(timestampOf(persons[0]!), Date.UTC(2005, 4, 30, 22, 0, 29))
    assert.equal(publishedPidf(document(tuple + person + device)).sendable, true)
  })

  it('§3.5: occurrence identifiers are unique over services, persons and devices (PS-64)', () => {
    const same = tuple + person.replace('p1', 'sg89ae') + device.replace('pc147', 'sg89ae')
    assert.equal(publishedPidf(document(same)).sendable, false)
  })

  it('§3.4: a device id is a URN; UUID URNs compare in either case (RFC 4122 §3)', () => {
    const uuid = 'urn:uuid:48662e19-5fbf-43fc-a2fd-d23002787599'
    assert.equal(deviceKey(uuid.toUpperCase()), deviceKey(uuid))
    assert.notEqual(deviceKey('urn:device:0003BA'), deviceKey('urn:device:0003ba'))
  })
})
