/** Common policy (RFC 4745 §13) with the conditions of OMA XDM. */

import {
  attribute,
  choice,
  type ElementType,
  element,
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
import { anyUri, dateTime, id, text } from './simple-types.ts'

const namespace = 'urn:ietf:params:xml:ns:common-policy'
const omaNamespace = 'urn:oma:xml:xdm:common-policy'

const identityType: ElementType = {
  content: some(
    choice(
      element(namespace, 'one', { content: optional(other(namespace)), attributes: [required('id', anyUri)] }),
      element(namespace, 'many', {
        content: many(
          choice(
            element(namespace, 'except', { attributes: [attribute('domain', text), attribute('id', anyUri)] }),
            optional(other(namespace)),
          ),
        ),
        attributes: [attribute('domain', text)],
      }),
      other(namespace),
    ),
  ),
}

const validityType: ElementType = {
  content: some(sequence(element(namespace, 'from', value(dateTime)), element(namespace, 'until', value(dateTime)))),
}

/** Actions and transformations. */
const extensibleType: ElementType = { content: many(other(namespace)) }

const ruleType: ElementType = {
  content: sequence(
    optional(
      element(namespace, 'conditions', {
        content: many(
          choice(
            element(namespace, 'identity', identityType),
            element(namespace, 'sphere', { attributes: [required('value', text)] }),
            element(namespace, 'validity', validityType),
            other(namespace),
          ),
        ),
      }),
    ),
    optional(element(namespace, 'actions', extensibleType)),
    optional(element(namespace, 'transformations', extensibleType)),
  ),
  attributes: [required('id', id)],
}

export const rulesetType: ElementType = { content: many(element(namespace, 'rule', ruleType)) }

export const commonPolicyVocabulary: Vocabulary = { namespace, elements: { ruleset: rulesetType } }

export const omaCommonPolicyVocabulary: Vocabulary = {
  namespace: omaNamespace,
  elements: {
    'other-identity': empty,
    'anonymous-request': empty,
    'external-list': {
      content: many(
        element(omaNamespace, 'entry', {
          attributes: [attribute('anc', anyUri)],
          anyAttribute: { other: undefined },
        }),
      ),
    },
  },
}
