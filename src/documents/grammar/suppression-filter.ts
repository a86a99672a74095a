/** Filters by which notifications are suppressed (OMA-SUP-XSD_prs_suppnotFilter 1.0). */

import { element, type Grammar, many, other, required, sequence, some, value } from './grammar.ts'
import { text } from './simple-types.ts'

const namespace = 'urn:oma:xml:prs:suppnot-filter'
const extensible = { other: namespace }

export const suppressionFilterGrammar: Grammar = {
  root: 'suppnot-filter-set',
  vocabularies: [
    {
      namespace,
      elements: {
        'suppnot-filter-set': {
          content: sequence(
            many(
              element(namespace, 'suppnot-filter', {
                content: sequence(
                  some(
                    element(namespace, 'presattrib', {
                      content: sequence(
                        some(element(namespace, 'suppress-if-match', value(text, [], extensible))),
                        many(other(namespace)),
                      ),
                      anyAttribute: extensible,
                    }),
                  ),
                  many(other(namespace)),
                ),
                attributes: [required('id', text)],
                anyAttribute: extensible,
              }),
            ),
            many(other(namespace)),
          ),
          anyAttribute: extensible,
        },
      },
    },
  ],
}
