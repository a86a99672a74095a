/** Presence authorization rules (RFC 5025 §7) with the extensions of OMA Presence XDM. */

import { commonPolicyVocabulary, omaCommonPolicyVocabulary } from './common-policy.ts'
import {
  attribute,
  choice,
  type ElementType,
  element,
  elements,
  empty,
  type Grammar,
  many,
  other,
  type Particle,
  required,
  type Vocabulary,
  value,
} from './grammar.ts'
import { anyUri, boolean, oneOf, text, token, tokenOf, wholeOf } from './simple-types.ts'

const namespace = 'urn:ietf:params:xml:ns:pres-rules'
const omaNamespace = 'urn:oma:xml:prs:pres-rules'

/** `all-…`, or any number of members of a set. */
function selection(all: string, ...members: readonly Particle[]): ElementType {
  return { content: choice(element(namespace, all, empty), many(choice(...members, other(namespace)))) }
}

const occurrence = elements(namespace, ['occurrence-id', 'class'], value(token))

const vocabulary: Vocabulary = {
  namespace,
  elements: {
    'service-uri-scheme': value(token),
    class: value(token),
    'occurrence-id': value(token),
    'service-uri': value(anyUri),
    deviceID: value(anyUri),
    'provide-services': selection(
      'all-services',
      element(namespace, 'service-uri', value(anyUri)),
      element(namespace, 'service-uri-scheme', value(token)),
      ...occurrence,
    ),
    'provide-devices': selection('all-devices', element(namespace, 'deviceID', value(anyUri)), ...occurrence),
    'provide-persons': selection('all-persons', ...occurrence),
    'provide-activities': value(boolean),
    'provide-class': value(boolean),
    'provide-deviceID': value(boolean),
    'provide-mood': value(boolean),
    'provide-place-is': value(boolean),
    'provide-place-type': value(boolean),
    'provide-privacy': value(boolean),
    'provide-relationship': value(boolean),
    'provide-status-icon': value(boolean),
    'provide-sphere': value(boolean),
    'provide-time-offset': value(boolean),
    'provide-note': value(boolean),
    'provide-user-input': value(oneOf('false', 'bare', 'thresholds', 'full')),
    'sub-handling': value(tokenOf('block', 'confirm', 'polite-block', 'allow')),
    'provide-unknown-attribute': value(boolean, [required('name', text), required('ns', text)]),
    'provide-all-attributes': empty,
  },
}

const omaVocabulary: Vocabulary = {
  namespace: omaNamespace,
  elements: {
    'provide-willingness': value(boolean),
    'provide-network-availability': value(boolean),
    'provide-session-participation': value(boolean),
    'provide-registration-state': value(boolean),
    'provide-barring-state': value(boolean),
    'provide-geopriv': value(oneOf('false', 'full')),
    'service-id': value(text),
  },
}

/** Our own actions: `order` (PS-73) and `notify` (PS-140). */
const ownVocabularies: readonly Vocabulary[] = [
  { namespace: 'urn:porchlight:xml:rule-order', elements: { order: value(wholeOf(9, 'last')) } },
  {
    namespace: 'urn:porchlight:xml:notification-rules',
    elements: {
      notify: {
        content: many(element('urn:porchlight:xml:notification-rules', 'on', value(token))),
        attributes: [attribute('interval', wholeOf(5))],
      },
    },
  },
]

/** Both usages have the same documents: `pres-rules` and `org.openmobilealliance.pres-rules`. */
export const presenceRulesGrammar: Grammar = {
  root: 'ruleset',
  vocabularies: [commonPolicyVocabulary, vocabulary, omaCommonPolicyVocabulary, omaVocabulary, ...ownVocabularies],
}
