/** The attributes of namespace `xml` (XML 1.0 §2.10, §2.12; XML Base §3), which may stand wherever others may. */

import { xmlNamespace } from '../xml/tree.ts'
import { type AttributeUse, attribute, type ElementType, type Vocabulary, value } from './grammar.ts'
import { anyUri, language, oneOf, text } from './simple-types.ts'

export const xmlVocabulary: Vocabulary = {
  namespace: xmlNamespace,
  elements: {},
  attributes: { lang: language, space: oneOf('default', 'preserve'), base: anyUri },
}

export const xmlLang: AttributeUse = attribute('lang', language, xmlNamespace)

/** A text that says which language it is in. */
export const spokenText: ElementType = value(text, [xmlLang])
