/** XCAP server capabilities (RFC 4825 §12.2). */

import { element, type Grammar, many, optional, other, sequence, value } from './grammar.ts'
import { anyUri, text } from './simple-types.ts'

const namespace = 'urn:ietf:params:xml:ns:xcap-caps'

export const xcapCapsGrammar: Grammar = {
  root: 'xcap-caps',
  vocabularies: [
    {
      namespace,
      elements: {
        'xcap-caps': {
          content: sequence(
            element(namespace, 'auids', { content: many(element(namespace, 'auid', value(text))) }),
            optional(element(namespace, 'extensions', { content: many(element(namespace, 'extension', value(text))) })),
            element(namespace, 'namespaces', { content: many(element(namespace, 'namespace', value(anyUri))) }),
            many(other(namespace)),
          ),
        },
      },
    },
  ],
}
