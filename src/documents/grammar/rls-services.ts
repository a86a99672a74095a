/** RLS services (RFC 4826 §4.2). */

import { choice, element, type Grammar, many, optional, other, required, sequence, value } from './grammar.ts'
import { listExtensions, listType, resourceListsVocabulary } from './resource-lists.ts'
import { anyUri, text } from './simple-types.ts'

const namespace = 'urn:ietf:params:xml:ns:rls-services'

export const rlsServicesGrammar: Grammar = {
  root: 'rls-services',
  vocabularies: [
    {
      namespace,
      elements: {
        'rls-services': {
          content: many(
            element(namespace, 'service', {
              content: sequence(
                choice(element(namespace, 'resource-list', value(anyUri)), element(namespace, 'list', listType)),
                optional(
                  element(namespace, 'packages', {
                    content: many(sequence(element(namespace, 'package', value(text)), many(other(namespace)))),
                  }),
                ),
                many(other(namespace)),
              ),
              attributes: [required('uri', anyUri)],
              anyAttribute: { other: namespace },
            }),
          ),
        },
      },
    },
    resourceListsVocabulary,
    ...listExtensions,
  ],
}
