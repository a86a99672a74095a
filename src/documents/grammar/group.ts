/** Shared groups (OMA listService 1.0). */

import { commonPolicyVocabulary, omaCommonPolicyVocabulary, rulesetType } from './common-policy.ts'
import { element, empty, type Grammar, many, optional, other, required, sequence, some, value } from './grammar.ts'
import { entryType, externalType, resourceListsVocabulary } from './resource-lists.ts'
import { anyUri, boolean, nonNegativeInteger } from './simple-types.ts'
import { spokenText } from './xml-attributes.ts'

const namespace = 'urn:oma:xml:poc:list-service'

export const groupGrammar: Grammar = {
  root: 'group',
  vocabularies: [
    {
      namespace,
      elements: {
        group: {
          content: some(
            element(namespace, 'list-service', {
              content: sequence(
                optional(element(namespace, 'display-name', spokenText)),
                optional(
                  element(namespace, 'list', {
                    content: sequence(
                      many(element(namespace, 'entry', entryType)),
                      many(element(namespace, 'external', externalType)),
                    ),
                  }),
                ),
                optional(element(namespace, 'invite-members', value(boolean))),
                optional(element(namespace, 'max-participant-count', value(nonNegativeInteger))),
                optional(element('urn:ietf:params:xml:ns:common-policy', 'ruleset', rulesetType)),
                many(other(namespace)),
              ),
              attributes: [required('uri', anyUri)],
              anyAttribute: { other: namespace },
            }),
          ),
        },
        'is-list-member': empty,
        'allow-conference-state': value(boolean),
        'allow-invite-users-dynamically': value(boolean),
        'join-handling': value(boolean),
        'allow-initiate-conference': value(boolean),
        'allow-anonymity': value(boolean),
        'is-key-participant': value(boolean),
      },
    },
    commonPolicyVocabulary,
    omaCommonPolicyVocabulary,
    resourceListsVocabulary,
  ],
}
