/** Resource lists (RFC 4826 §3.2) with the OMA extension that names who uses a list (XDM-45). */

import {
  attribute,
  choice,
  type ElementType,
  element,
  empty,
  type Grammar,
  many,
  optional,
  other,
  type Particle,
  required,
  sequence,
  type Vocabulary,
} from './grammar.ts'
import { anyUri, boolean, nonNegativeInteger, oneOf, text } from './simple-types.ts'
import { spokenText } from './xml-attributes.ts'

const namespace = 'urn:ietf:params:xml:ns:resource-lists'
const others = { other: namespace }

/** `display-name`, then what another namespace brings. */
const named: Particle = sequence(optional(element(namespace, 'display-name', spokenText)), many(other(namespace)))

export const entryType: ElementType = {
  content: named,
  attributes: [required('uri', anyUri)],
  anyAttribute: others,
}

export const externalType: ElementType = {
  content: named,
  attributes: [attribute('anchor', anyUri)],
  anyAttribute: others,
}

export const listType: ElementType = {
  content: sequence(
    optional(element(namespace, 'display-name', spokenText)),
    many(
      choice(
        element(namespace, 'list', () => listType),
        element(namespace, 'external', externalType),
        element(namespace, 'entry', entryType),
        element(namespace, 'entry-ref', {
          content: named,
          attributes: [required('ref', anyUri)],
          anyAttribute: others,
        }),
      ),
    ),
    many(other(namespace)),
  ),
  attributes: [attribute('name', text)],
  anyAttribute: others,
}

export const resourceListsVocabulary: Vocabulary = {
  namespace,
  elements: { 'resource-lists': { content: many(element(namespace, 'list', listType)) } },
}

const appUsage = 'urn:oma:xml:xdm:resource-list:oma-appusage'

/** What stands in lists besides. */
export const listExtensions: readonly Vocabulary[] = [
  {
    namespace: appUsage,
    elements: {
      appusages: {
        content: many(
          element(appUsage, 'nodeuri', { ...empty, attributes: [required('uri', anyUri), required('auid', text)] }),
        ),
      },
    },
  },
  // RFC 5364 §5.
  {
    namespace: 'urn:ietf:params:xml:ns:copycontrol',
    elements: {},
    attributes: { copyControl: oneOf('to', 'cc', 'bcc'), anonymize: boolean, count: nonNegativeInteger },
  },
]

export const resourceListsGrammar: Grammar = {
  root: 'resource-lists',
  vocabularies: [resourceListsVocabulary, ...listExtensions],
}
