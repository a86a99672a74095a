/**
 * The event package `reg`: a user's devices learn which contacts his address-of-record is bound to (RFC 3680), with their
 * GRUUs (RFC 5628).
 */

import {
  type ContactEvent,
  formatReginfo,
  type RegisteredContact,
  reginfoContentType,
} from '../../documents/reginfo.ts'
import { forbidden, notFound } from '../../protocols/sip/errors.ts'
import type { EventPackage } from '../../protocols/sip-events/event-package.ts'
import type { Turn } from '../../turn.ts'
import { isUser } from './accounts.ts'
import { type Binding, type InstanceGruus, storedRegistration } from './bindings.ts'
import { endedSince } from './ended-bindings.ts'
import { publicGruu, temporaryGruu } from './gruu.ts'
import type { Home } from './home.ts'

/** The package for the notifier of the registrar. */
export function registrationEvents(home: Home): EventPackage {
  return {
    name: 'reg',
    contentTypes: [reginfoContentType],
    defaultExpiresSeconds: 3761, // RFC 3680 §4.4
    minNotifyIntervalMs: () => 5000, // RFC 3680 §4.10

    resource(request, turn) {
      const aor = home.userOf(request.requestUri)
      if (aor === undefined || !isUser(turn, aor)) throw notFound()
      return aor
    },
    exists: (aor, turn) => isUser(turn, aor),

    /** RFC 3680 §4.6: to one's own registration, and to no one else's. */
    authorize(aor, subscriber, turn) {
      if (!isUser(turn, aor)) throw notFound()
      if (!subscriber.identities.includes(aor)) throw forbidden()
      return 'active'
    },

    /** All contacts in answer to SUBSCRIBE; after a change those that have changed since the last document (§4.3). */
    body({ resource: aor, record }, turn, { full }) {
      const registration = storedRegistration(turn.db, aor)
      const bindings = (registration?.bindings ?? []).filter(({ expiresAt }) => expiresAt > turn.now)
      const ended = full ? [] : endedSince(turn.db, aor, record.revision)
      const contacts = bindings
        .filter(({ revision = 0 }) => full || revision > record.revision)
        .map(binding => activeContact(aor, binding, registration?.gruus, home, turn))
      for (const { binding, event, endedAt } of ended)
        contacts.push(contactOf(aor, binding, 'terminated', event, endedAt, {}))
      if (!full && contacts.length === 0) return 'unchanged'
      const state = bindings.length > 0 ? 'active' : ended.length > 0 ? 'terminated' : 'init'
      return {
        contentType: reginfoContentType,
        body: formatReginfo({
          version: record.version++,
          state: full ? 'full' : 'partial',
          registrations: [{ aor, id: turn.fingerprint('registration', aor), state, contacts }],
        }),
      }
    },
  }
}

function activeContact(
  aor: string,
  binding: Binding,
  gruus: Readonly<Record<string, InstanceGruus>> | undefined,
  home: Home,
  turn: Turn,
): RegisteredContact {
  const { instance } = binding
  const event = binding.registeredAt === binding.refreshedAt ? 'registered' : 'refreshed'
  const numbered = instance === undefined ? undefined : gruus?.[instance]
  return contactOf(aor, binding, 'active', event, turn.now, {
    expiresSeconds: Math.ceil((binding.expiresAt - turn.now) / 1000),
    ...(numbered === undefined
      ? {}
      : {
          temporaryGruu: {
            uri: temporaryGruu(turn, numbered.index, home.domain),
            firstCseq: numbered.firstCseq,
          },
        }),
  })
}

function contactOf(
  aor: string,
  binding: Binding,
  state: 'active' | 'terminated',
  event: ContactEvent,
  at: number,
  more: Partial<RegisteredContact>,
): RegisteredContact {
  const { id, uri, displayName, instance, q, callId, cseq } = binding
  return {
    id,
    state,
    event,
    uri,
    displayName,
    durationRegisteredSeconds: Math.floor((at - binding.registeredAt) / 1000),
    q: q === 1000 ? undefined : String(q / 1000),
    callId,
    cseq,
    unknownParams: rawParams(binding.params),
    publicGruu: instance === undefined ? undefined : publicGruu(aor, instance),
    ...more,
  }
}

/** Names and values as written: quotes belong to the value (RFC 5628 §7). */
function rawParams(text: string): Array<readonly [name: string, value: string]> {
  const params: Array<readonly [string, string]> = []
  for (const [, name, value] of text.matchAll(/;\s*([^=;\s]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;]*))?/g))
    params.push([name!, value?.trimEnd() ?? ''])
  return params
}
