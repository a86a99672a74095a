/** PIDF documents (RFC 3863 §4.4) with the presence data model (RFC 4479 §5) and all extensions that we know. */

import { cipidNamespace } from '../cipid.ts'
import { dataModelNamespace as dataModel } from '../data-model.ts'
import { pidfNamespace as pidf } from '../pidf.ts'
import { timedStatusNamespace as timedStatus } from '../timed-status.ts'
import { capabilitiesVocabulary } from './capabilities.ts'
import {
  attribute,
  type ElementType,
  element,
  type Grammar,
  many,
  optional,
  other,
  required,
  sequence,
  type Vocabulary,
  value,
} from './grammar.ts'
import { locationVocabularies } from './location.ts'
import { omaPresenceVocabularies } from './oma-presence.ts'
import { rpidVocabulary } from './rpid.ts'
import { anyUri, boolean, dateTime, id, oneOf, priority, text } from './simple-types.ts'
import { spokenText } from './xml-attributes.ts'

const basic = value(oneOf('open', 'closed'))

const tupleType: ElementType = {
  content: sequence(
    element(pidf, 'status', { content: sequence(optional(element(pidf, 'basic', basic)), many(other(pidf))) }),
    many(other(pidf)),
    optional(element(pidf, 'contact', value(anyUri, [attribute('priority', priority)]))),
    many(element(pidf, 'note', spokenText)),
    optional(element(pidf, 'timestamp', value(dateTime))),
  ),
  attributes: [required('id', id)],
}

const pidfVocabulary: Vocabulary = {
  namespace: pidf,
  elements: {
    presence: {
      content: sequence(
        many(element(pidf, 'tuple', tupleType)),
        many(element(pidf, 'note', spokenText)),
        many(other(pidf)),
      ),
      attributes: [required('entity', anyUri)],
    },
  },
  attributes: { mustUnderstand: boolean },
}

const noteAndTimestamp = sequence(
  many(element(dataModel, 'note', spokenText)),
  optional(element(dataModel, 'timestamp', value(dateTime))),
)

const dataModelVocabulary: Vocabulary = {
  namespace: dataModel,
  elements: {
    deviceID: value(anyUri),
    device: {
      content: sequence(many(other(dataModel)), element(dataModel, 'deviceID', value(anyUri)), noteAndTimestamp),
      attributes: [required('id', id)],
    },
    person: { content: sequence(many(other(dataModel)), noteAndTimestamp), attributes: [required('id', id)] },
  },
}

/** RFC 4481 §5. */
const timedStatusVocabulary: Vocabulary = {
  namespace: timedStatus,
  elements: {
    'timed-status': {
      content: sequence(
        optional(element(timedStatus, 'basic', basic)),
        optional(element(timedStatus, 'note', spokenText)),
        many(other(timedStatus)),
      ),
      attributes: [required('from', dateTime), attribute('until', dateTime)],
    },
  },
}

/** RFC 4482 §5. */
const cipidVocabulary: Vocabulary = {
  namespace: cipidNamespace,
  elements: {
    card: value(anyUri),
    'display-name': value(text),
    homepage: value(anyUri),
    icon: value(anyUri),
    map: value(anyUri),
    sound: value(anyUri),
  },
}

export const presenceGrammar: Grammar = {
  root: 'presence',
  vocabularies: [
    pidfVocabulary,
    dataModelVocabulary,
    rpidVocabulary,
    timedStatusVocabulary,
    cipidVocabulary,
    capabilitiesVocabulary,
    ...locationVocabularies,
    ...omaPresenceVocabularies,
  ],
}
