/** What OMA adds to presence documents: prs_pidf_omapres 1.0 and the data extensions 1.1. */

import {
  type ElementType,
  element,
  elements,
  empty,
  many,
  optional,
  other,
  required,
  sequence,
  some,
  type Vocabulary,
  value,
} from './grammar.ts'
import { anyUri, oneOf, priority, text, token } from './simple-types.ts'

const namespace = 'urn:oma:xml:prs:pidf:oma-pres'
const any = { other: undefined }

const basicType: ElementType = {
  content: sequence(optional(element(namespace, 'basic', value(oneOf('open', 'closed')))), many(other(namespace))),
  anyAttribute: any,
}
const stateType = value(oneOf('active', 'terminated'), [], any)

export const omaPresenceVocabularies: readonly Vocabulary[] = [
  {
    namespace,
    elements: {
      'service-description': {
        content: sequence(
          ...elements(namespace, ['service-id', 'version'], value(token)),
          optional(element(namespace, 'description', value(token))),
          many(other(namespace)),
        ),
        anyAttribute: any,
      },
      willingness: basicType,
      'session-participation': basicType,
      'overriding-willingness': basicType,
      'registration-state': stateType,
      'barring-state': stateType,
      'network-availability': {
        content: sequence(
          some(
            element(namespace, 'network', {
              content: sequence(
                ...elements(namespace, ['active', 'terminated'], empty).map(optional),
                many(other(namespace)),
              ),
              attributes: [required('id', token)],
              anyAttribute: any,
            }),
          ),
          many(other(namespace)),
        ),
        anyAttribute: any,
      },
    },
  },
  {
    namespace: 'urn:oma:xml:pde:pidf:ext:1.1',
    elements: { link: value(anyUri, [], any) },
    attributes: { label: text, priority },
  },
]
