/** Filters of event notifications (RFC 4661 §7). */

import { attribute, element, type Grammar, many, optional, other, required, sequence, some, value } from './grammar.ts'
import { anyUri, boolean, decimal, oneOf, text } from './simple-types.ts'

const namespace = 'urn:ietf:params:xml:ns:simple-filter'
const extensible = { other: namespace }
const selection = value(text, [attribute('type', oneOf('xpath', 'namespace'))], extensible)

export const simpleFilterGrammar: Grammar = {
  root: 'filter-set',
  vocabularies: [
    {
      namespace,
      elements: {
        'filter-set': {
          content: sequence(
            optional(
              element(namespace, 'ns-bindings', {
                content: some(
                  element(namespace, 'ns-binding', { attributes: [required('prefix', text), required('urn', anyUri)] }),
                ),
              }),
            ),
            some(
              element(namespace, 'filter', {
                content: sequence(
                  optional(
                    element(namespace, 'what', {
                      content: sequence(
                        many(element(namespace, 'include', selection)),
                        many(element(namespace, 'exclude', selection)),
                        many(other(namespace)),
                      ),
                    }),
                  ),
                  many(
                    element(namespace, 'trigger', {
                      content: sequence(
                        many(
                          element(
                            namespace,
                            'changed',
                            value(
                              text,
                              [attribute('from', text), attribute('to', text), attribute('by', decimal)],
                              extensible,
                            ),
                          ),
                        ),
                        many(element(namespace, 'added', value(text))),
                        many(element(namespace, 'removed', value(text))),
                        many(other(namespace)),
                      ),
                    }),
                  ),
                  many(other(namespace)),
                ),
                attributes: [
                  required('id', text),
                  attribute('uri', anyUri),
                  attribute('domain', text),
                  attribute('remove', boolean),
                  attribute('enabled', boolean),
                ],
                anyAttribute: extensible,
              }),
            ),
          ),
          attributes: [attribute('package', text)],
          anyAttribute: extensible,
        },
      },
    },
  ],
}
