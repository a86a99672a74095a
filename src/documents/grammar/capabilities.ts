/** User agent capabilities in presence (RFC 5196 §6). */

import {
  element,
  elements,
  many,
  optional,
  other,
  type Particle,
  required,
  sequence,
  some,
  type Vocabulary,
  value,
} from './grammar.ts'
import { boolean, integer, text } from './simple-types.ts'
import { spokenText } from './xml-attributes.ts'

const namespace = 'urn:ietf:params:xml:ns:pidf:caps'
const any = { other: undefined }

/** An optional element that says what is supported and what is not, in the same terms. */
function supported(name: string, content: Particle): Particle {
  const both = elements(namespace, ['supported', 'notsupported'], { content })
  return optional(element(namespace, name, { content: sequence(...both.map(optional)) }))
}

/** Texts of these names in this order, each at most once, then what another namespace brings. */
function terms(names: string): Particle {
  return sequence(...elements(namespace, names.split(' '), value(text)).map(optional), many(other(namespace)))
}

function flag(name: string): Particle {
  return optional(element(namespace, name, value(boolean)))
}

function bounds(name: string, ...attributes: readonly string[]): Particle {
  return many(element(namespace, name, { attributes: attributes.map(bound => required(bound, integer)) }))
}

const descriptions = many(element(namespace, 'description', spokenText))

export const capabilitiesVocabulary: Vocabulary = {
  namespace,
  elements: {
    servcaps: {
      content: sequence(
        supported('actor', terms('attendant information msg-taker principal')),
        flag('application'),
        flag('audio'),
        flag('automata'),
        supported('class', terms('business personal')),
        flag('control'),
        flag('data'),
        descriptions,
        supported('duplex', terms('full half receive-only send-only')),
        supported(
          'event-packages',
          terms(
            'conference dialog kpml message-summary poc-settings presence reg refer Siemens-RTP-Stats spirits-INDPs ' +
              'spirits-user-prof winfo',
          ),
        ),
        supported(
          'extensions',
          terms(
            'rel100 early-session eventlist from-change gruu hist-info join norefersub path precondition pref privacy ' +
              'recipient-list-invite recipient-list-subscribe replaces resource-priority sdp-anat sec-agree tdialog timer',
          ),
        ),
        flag('isfocus'),
        flag('message'),
        supported(
          'methods',
          terms('ACK BYE CANCEL INFO INVITE MESSAGE NOTIFY OPTIONS PRACK PUBLISH REFER REGISTER SUBSCRIBE UPDATE'),
        ),
        supported('languages', some(element(namespace, 'l', value(text)))),
        supported(
          'priority',
          sequence(
            bounds('equals', 'value'),
            // So it is spelled in the schema.
            bounds('higherhan', 'minvalue'),
            bounds('lowerthan', 'maxvalue'),
            bounds('range', 'minvalue', 'maxvalue'),
            many(other(namespace)),
          ),
        ),
        supported('schemes', some(element(namespace, 's', value(text)))),
        flag('text'),
        many(element(namespace, 'type', value(text))),
        flag('video'),
        many(other(namespace)),
      ),
      anyAttribute: any,
    },
    devcaps: {
      content: sequence(descriptions, supported('mobility', terms('fixed mobile')), many(other(namespace))),
      anyAttribute: any,
    },
  },
}
