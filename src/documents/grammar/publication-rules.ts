/** Publication rules (OMA Presence SIMPLE 2.0, PS-112): which of what is published counts. */

import { commonPolicyVocabulary, omaCommonPolicyVocabulary } from './common-policy.ts'
import { empty, type Grammar, required, value } from './grammar.ts'
import { boolean, text, tokenOf } from './simple-types.ts'

export const publicationRulesGrammar: Grammar = {
  root: 'ruleset',
  vocabularies: [
    commonPolicyVocabulary,
    omaCommonPolicyVocabulary,
    {
      namespace: 'urn:oma:xml:prs:pub-rules',
      elements: {
        'pub-handling': value(tokenOf('block', 'allow')),
        'perm-handling': value(tokenOf('block', 'allow')),
        'allow-services': value(boolean),
        'allow-devices': value(boolean),
        'allow-persons': value(boolean),
        'allow-activities': value(boolean),
        'allow-class': value(boolean),
        'allow-mood': value(boolean),
        'allow-place-type': value(boolean),
        'allow-status-icon': value(boolean),
        'allow-time-offset': value(boolean),
        'allow-note': value(boolean),
        'allow-willingness': value(boolean),
        'allow-network-availability': value(boolean),
        'allow-session-participation': value(boolean),
        'allow-registration-state': value(boolean),
        'allow-barring-state': value(boolean),
        'allow-geopriv': value(boolean),
        'allow-all-attributes': empty,
        'allow-unknown-attribute': value(boolean, [required('name', text), required('ns', text)]),
      },
    },
  ],
}
