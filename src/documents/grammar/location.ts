/** Location objects in presence (RFC 4119 §2.2.5) with civic addresses (RFC 5139 §4). */

import { element, elements, many, optional, other, sequence, some, type Vocabulary, value } from './grammar.ts'
import { anyUri, boolean, countryCode, dateTime, token } from './simple-types.ts'
import { spokenText, xmlLang } from './xml-attributes.ts'

const location = 'urn:ietf:params:xml:ns:pidf:geopriv10'
const policy = `${location}:basicPolicy`
const civic = `${location}:civicAddr`

/** RFC 5139 §3.1, in the order of the schema. */
const addressParts =
  'A1 A2 A3 A4 A5 A6 PRM PRD RD STS POD POM RDSEC RDBR RDSUBBR HNO HNS LMK LOC FLR NAM PC BLD UNIT ROOM SEAT'.split(' ')
const lastAddressParts = ['PCN', 'POBOX', 'ADDCODE']

const part = value(token, [xmlLang])

export const locationVocabularies: readonly Vocabulary[] = [
  {
    namespace: location,
    elements: {
      geopriv: {
        content: sequence(
          element(location, 'location-info', { content: many(other(location)) }),
          element(location, 'usage-rules', {
            content: sequence(
              optional(element(policy, 'retransmission-allowed', value(boolean))),
              optional(element(policy, 'retention-expiry', value(dateTime))),
              optional(element(policy, 'external-ruleset', value(anyUri))),
              optional(element(policy, 'note-well', spokenText)),
              many(other(policy)),
            ),
          }),
          optional(element(location, 'method', spokenText)),
          optional(element(location, 'provided-by', { content: some(other(location, 'skip')) })),
          many(other(location)),
        ),
      },
    },
  },
  {
    namespace: civic,
    elements: {
      civicAddress: {
        content: sequence(
          optional(element(civic, 'country', value(countryCode))),
          ...elements(civic, addressParts, part).map(optional),
          optional(element(civic, 'PLC', value(token))),
          ...elements(civic, lastAddressParts, part).map(optional),
          many(other(civic)),
        ),
        anyAttribute: { other: undefined },
      },
    },
  },
]
