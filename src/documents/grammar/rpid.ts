/** Rich presence (RFC 4480 §5). */

import { rpidNamespace as namespace } from '../rpid.ts'
import {
  type AttributeUse,
  attribute,
  choice,
  type ElementType,
  element,
  elements,
  empty,
  many,
  optional,
  other,
  type Particle,
  sequence,
  some,
  type Vocabulary,
  value,
} from './grammar.ts'
import { anyUri, dateTime, id, integer, oneOf, positiveInteger, text, token } from './simple-types.ts'
import { spokenText } from './xml-attributes.ts'

const any = { other: undefined }

const lasting: readonly AttributeUse[] = [
  attribute('from', dateTime),
  attribute('until', dateTime),
  attribute('id', id),
]

/** Notes, then what is said. */
function noted(content: Particle): ElementType {
  return { content: sequence(many(element(namespace, 'note', spokenText)), content) }
}

function lastingNoted(content: Particle): ElementType {
  return { ...noted(content), attributes: lasting, anyAttribute: any }
}

const otherText = element(namespace, 'other', spokenText)
const foreign = some(other(namespace))

const activities = [
  'appointment',
  'away',
  'breakfast',
  'busy',
  'dinner',
  'holiday',
  'in-transit',
  'looking-for-work',
  'meal',
  'meeting',
  'on-the-phone',
  'performance',
  'permanent-absence',
  'playing',
  'presentation',
  'shopping',
  'sleeping',
  'spectator',
  'steering',
  'travel',
  'tv',
  'vacation',
  'working',
  'worship',
]

const moods = (
  'afraid amazed angry annoyed anxious ashamed bored brave calm cold confused contented cranky curious depressed ' +
  'disappointed disgusted distracted embarrassed excited flirtatious frustrated grumpy guilty happy hot humbled ' +
  'humiliated hungry hurt impressed in_awe in_love indignant interested invincible jealous lonely mean moody nervous ' +
  'neutral offended playful proud relieved remorseful restless sad sarcastic serious shocked shy sick sleepy stressed ' +
  'surprised thirsty worried'
).split(' ')

/** One of several empty elements. */
function oneOfEmpty(...names: readonly string[]): ElementType {
  return { content: choice(...elements(namespace, names, empty)) }
}

export const rpidVocabulary: Vocabulary = {
  namespace,
  elements: {
    activities: lastingNoted(
      choice(
        optional(element(namespace, 'unknown', empty)),
        some(choice(...elements(namespace, activities, empty), otherText, foreign)),
      ),
    ),
    class: value(token),
    mood: lastingNoted(
      choice(
        element(namespace, 'unknown', empty),
        some(choice(...elements(namespace, moods, empty), otherText, foreign)),
      ),
    ),
    'place-is': lastingNoted(
      sequence(
        optional(element(namespace, 'audio', oneOfEmpty('noisy', 'ok', 'quiet', 'unknown'))),
        optional(element(namespace, 'video', oneOfEmpty('toobright', 'ok', 'dark', 'unknown'))),
        optional(element(namespace, 'text', oneOfEmpty('uncomfortable', 'inappropriate', 'ok', 'unknown'))),
      ),
    ),
    'place-type': lastingNoted(choice(otherText, foreign)),
    privacy: lastingNoted(
      choice(
        element(namespace, 'unknown', empty),
        sequence(...elements(namespace, ['audio', 'text', 'video'], empty).map(optional), many(other(namespace))),
      ),
    ),
    relationship: noted(
      choice(
        ...elements(namespace, ['assistant', 'associate', 'family', 'friend', 'self', 'supervisor', 'unknown'], empty),
        optional(otherText),
        foreign,
      ),
    ),
    'service-class': noted(
      choice(
        ...elements(namespace, ['courier', 'electronic', 'freight', 'in-person', 'postal', 'unknown'], empty),
        foreign,
      ),
    ),
    sphere: {
      content: optional(choice(...elements(namespace, ['home', 'work', 'unknown'], empty), foreign)),
      attributes: lasting,
      anyAttribute: any,
    },
    'status-icon': value(anyUri, lasting, any),
    'time-offset': value(integer, [...lasting, attribute('description', text)], any),
    'user-input': value(
      oneOf('active', 'idle'),
      [attribute('idle-threshold', positiveInteger), attribute('last-input', dateTime), attribute('id', id)],
      any,
    ),
  },
}
