/** The static dictionaries as state items that every endpoint has (RFC 3485 §3, RFC 5112 §4, RFC 5049 §4.5). */

import { presenceDictionaryBase64 } from './presence-dictionary.ts'
import { sipDictionaryBase64 } from './sip-dictionary.ts'
import { StateItem } from './state.ts'

/** The SIP/SDP dictionary: mandatory for SIP, never advertised. State 0xfbe507dfe5e6aa5af2abb914ceaa05f99ce61ba5. */
export const sipDictionary = dictionary(sipDictionaryBase64)

/** The presence dictionary: advertised by whoever has it. State 0xd942297d0bb38fc01d6741d6b3b48157ac8e1be0. */
export const presenceDictionary = dictionary(presenceDictionaryBase64)

/** Octets of strings at the beginning of each dictionary; its table of strings follows. */
export const sipDictionaryStrings = 0x0d8c
export const presenceDictionaryStrings = 0x0955

function dictionary(base64: string): StateItem {
  return new StateItem(Uint8Array.from(Buffer.from(base64, 'base64')), 0, 0, 6)
}
