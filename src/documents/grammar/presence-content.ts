/** Presence content such as status icons (OMA presContent 1.0). */

import { element, type Grammar, many, optional, other, sequence, value } from './grammar.ts'
import { text } from './simple-types.ts'
import { xmlLang } from './xml-attributes.ts'

const namespace = 'urn:oma:xml:prs:pres-content'
const any = { other: undefined }

export const presenceContentGrammar: Grammar = {
  root: 'content',
  vocabularies: [
    {
      namespace,
      elements: {
        content: {
          content: sequence(
            optional(element(namespace, 'mime-type', value(text, [], any))),
            optional(element(namespace, 'encoding', value(text, [], any))),
            many(element(namespace, 'description', value(text, [xmlLang], any))),
            element(namespace, 'data', value(text, [], any)),
            many(other(namespace)),
          ),
          anyAttribute: any,
        },
      },
    },
  ],
}
