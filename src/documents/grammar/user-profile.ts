/** User profiles (OMA userProfile 1.0). */

import { type ElementType, element, type Grammar, many, optional, other, required, sequence, value } from './grammar.ts'
import { anyUri, date, text, tokenOf } from './simple-types.ts'
import { xmlLang } from './xml-attributes.ts'

const namespace = 'urn:oma:xml:xdm:user-profile'
const any = { other: undefined }

const spoken: ElementType = value(text, [xmlLang], any)

/** Any number of elements of one name, then what another namespace brings. */
function listOf(name: string, type: ElementType): ElementType {
  return { content: sequence(many(element(namespace, name, type)), many(other(namespace))), anyAttribute: any }
}

/** Texts of several names, in this order and each at most once. */
function textsOf(...names: readonly string[]): ElementType {
  return {
    content: sequence(...names.map(name => optional(element(namespace, name, value(text)))), many(other(namespace))),
    attributes: [xmlLang],
    anyAttribute: any,
  }
}

const profileType: ElementType = {
  content: sequence(
    optional(element(namespace, 'communication-addresses', listOf('comm-addr', value(text)))),
    optional(element(namespace, 'display-name', spoken)),
    optional(element(namespace, 'birth-date', value(date))),
    optional(
      element(namespace, 'name', textsOf('given-name', 'family-name', 'middle-name', 'name-suffix', 'name-prefix')),
    ),
    optional(
      element(
        namespace,
        'address',
        textsOf('country', 'region', 'locality', 'area', 'street-name', 'street-number', 'postal-code'),
      ),
    ),
    optional(element(namespace, 'gender', value(tokenOf('male', 'female')))),
    optional(element(namespace, 'freetext', spoken)),
    optional(element(namespace, 'communication-types', listOf('comm-type', spoken))),
    optional(element(namespace, 'hobbies', listOf('hobby', spoken))),
    optional(element(namespace, 'favourite-links', listOf('link', value(anyUri)))),
    many(other(namespace)),
  ),
  attributes: [required('uri', anyUri)],
  anyAttribute: any,
}

/** The same for `user-profile` and `locked-user-profile`. */
export const userProfileGrammar: Grammar = {
  root: 'user-profiles',
  vocabularies: [
    {
      namespace,
      elements: { 'user-profiles': { content: element(namespace, 'user-profile', profileType) } },
    },
  ],
}
