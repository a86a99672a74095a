/**
 * Fuzz targets of filters: a document of them is accepted or refused, whatever is accepted leaves of a document one that is valid, and
 * goes to another notifier as one that means the same; those that suppress match or do not.
 */

import { strict as assert } from 'node:assert'
import { isTriggered } from '../../src/documents/filtered.ts'
import { filteredPidf } from '../../src/documents/filtered-pidf.ts'
import { filteredWatcherinfo } from '../../src/documents/filtered-watcherinfo.ts'
import { presenceGrammar } from '../../src/documents/grammar/presence.ts'
import { validate } from '../../src/documents/grammar/validate.ts'
import {
  type Filter,
  FilterError,
  formatFilterSet,
  mergedFilters,
  readFilterSet,
} from '../../src/documents/simple-filter.ts'
import { readSuppressionFilters, suppresses } from '../../src/documents/suppression-filter.ts'
import { formatWatcherinfo, parseWatcherinfo } from '../../src/documents/watcherinfo.ts'
import { parseXml } from '../../src/documents/xml/parse.ts'
import { limits } from '../../src/limits.ts'

export type FuzzTarget = {
  readonly name: string
  /** Throws only when something is wrong with us. */
  run(bytes: Uint8Array): void
  readonly seeds: readonly Uint8Array[]
}

const presence = (basic: string) =>
  parseXml(
    Buffer.from(
      `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" xmlns:d="urn:ietf:params:xml:ns:pidf:data-model" entity="sip:a@b"><tuple id="a"><status><basic>${basic}</basic></status><r:class>IM</r:class><contact priority="0.8">sip:a@b</contact><note xml:lang="en">n</note></tuple><d:person id="p"><r:activities until="2027-01-01T00:00:00Z"><r:away/></r:activities></d:person><d:device id="d"><r:user-input idle-threshold="3">idle</r:user-input><d:deviceID>urn:uuid:1</d:deviceID></d:device></presence>`,
    ),
  )
const [before, after] = [presence('open'), presence('closed')]
const watchers = parseXml(
  formatWatcherinfo({
    version: 0,
    state: 'full',
    lists: [
      {
        resource: 'sip:a@b',
        package: 'presence',
        watchers: [
          { id: 'w1', uri: 'sip:c@d', status: 'active', event: 'approved', displayName: 'C', expirationSeconds: 5 },
          { id: 'w2', uri: 'sip:e@f', status: 'pending', event: 'subscribe' },
        ],
      },
    ],
  }),
)
const { filter: bounds } = limits

const seeds = [
  '<filter id="1"><what><include>/p:presence/p:tuple[r:class="IM" or r:class="MMS"]/p:status/p:basic</include><include type="namespace">urn:ietf:params:xml:ns:pidf</include><exclude>//*[@id&gt;3 and ../p:note="n"]/@id</exclude></what></filter>',
  '<filter id="2" uri="sip:a@b"><trigger><changed from="open" to="closed" by="0.1">//p:basic</changed><added>//p:tuple[@id="a"]</added><removed>/*/*</removed></trigger></filter><filter id="3" domain="b" enabled="false"/>',
  '<filter id="4"><what><include>/w:watcherinfo/w:watcher-list[@package="presence"]/w:watcher[@status="active"]</include><exclude>//@id</exclude></what></filter>',
].map(filters =>
  Buffer.from(
    `<filter-set xmlns="urn:ietf:params:xml:ns:simple-filter"><ns-bindings><ns-binding prefix="p" urn="urn:ietf:params:xml:ns:pidf"/><ns-binding prefix="w" urn="urn:ietf:params:xml:ns:watcherinfo"/><ns-binding prefix="r" urn="urn:ietf:params:xml:ns:pidf:rpid"/></ns-bindings>${filters}</filter-set>`,
  ),
)

/** What was accepted may grow as it is written again. */
const roomy = { ...bounds, xml: { ...bounds.xml, bytes: 1 << 20, nodes: 1 << 14 } }

/** Of one set all filters have the same. */
function withoutBindings({ bindings: _, ...filter }: Filter) {
  // Conditions of one trigger may stand in any order.
  return { ...filter, triggers: filter.triggers.map(changes => [...changes].sort((a, b) => byText(a, b))) }
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1
}

const suppressing = [
  '<suppnot-filter id="f1"><presattrib><suppress-if-match>//r:activities[r:away]</suppress-if-match><suppress-if-match>//p:basic[.="closed"]</suppress-if-match></presattrib></suppnot-filter>',
  '<suppnot-filter id="f1" xmlns:x="urn:x"><presattrib><suppress-if-match>/x:a/p:b[@id&gt;3 or ../p:c="d"]/@e</suppress-if-match></presattrib></suppnot-filter><suppnot-filter id="f2"><presattrib><suppress-if-match>//tuple</suppress-if-match></presattrib></suppnot-filter>',
].map(filters =>
  Buffer.from(
    `<suppnot-filter-set xmlns="urn:oma:xml:prs:suppnot-filter" xmlns:p="urn:ietf:params:xml:ns:pidf" xmlns:r="urn:ietf:params:xml:ns:pidf:rpid">${filters}</suppnot-filter-set>`,
  ),
)

export const targets: readonly FuzzTarget[] = [
  {
    name: 'suppression-filter',
    seeds: suppressing,
    run(bytes) {
      try {
        const filters = readSuppressionFilters(bytes, bounds)
        assert.equal(typeof suppresses(filters, before, bounds.steps), 'boolean')
      } catch (error) {
        if (!(error instanceof FilterError)) throw error
      }
    },
  },
  {
    name: 'filter',
    seeds,
    run(bytes) {
      try {
        const requests = readFilterSet(bytes, 'presence', bounds)
        const filters = mergedFilters([], requests, ({ id }) => id, bounds)
        const forwarded = readFilterSet(formatFilterSet(filters, 'presence'), 'presence', roomy)
        const merged = mergedFilters([], forwarded, ({ id }) => id, roomy)
        assert.deepEqual(merged.map(withoutBindings), filters.map(withoutBindings))
        for (const filter of filters) {
          const shown = filteredPidf(before, filter, bounds.xml, bounds.steps)
          if (shown !== undefined && shown !== 'unfiltered') validate(parseXml(shown), presenceGrammar)
          const watching = filteredWatcherinfo(watchers, filter, bounds.steps)
          if (watching !== undefined && watching !== 'unfiltered') parseWatcherinfo(watching)
          assert.equal(typeof isTriggered(before, after, filter, bounds.steps), 'boolean')
        }
      } catch (error) {
        if (!(error instanceof FilterError)) throw error
      }
    },
  },
]
