/** Directories of a user's documents (OMA XDM xcapDirectory 1.0). */

import { attribute, choice, element, type Grammar, many, required, value } from './grammar.ts'
import { anyUri, dateTime, nonNegativeInteger, text } from './simple-types.ts'

const namespace = 'urn:oma:xml:xdm:xcap-directory'

export const xcapDirectoryGrammar: Grammar = {
  root: 'xcap-directory',
  vocabularies: [
    {
      namespace,
      elements: {
        'xcap-directory': {
          content: many(
            element(namespace, 'folder', {
              content: choice(
                many(
                  element(namespace, 'entry', {
                    attributes: [
                      required('uri', anyUri),
                      required('etag', text),
                      attribute('last-modified', dateTime),
                      attribute('size', nonNegativeInteger),
                    ],
                    anyAttribute: { other: undefined },
                  }),
                ),
                element(namespace, 'error-code', value(text)),
              ),
              attributes: [required('auid', text)],
            }),
          ),
        },
      },
    },
  ],
}
