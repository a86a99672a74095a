/**
 * Publications whose objects go to a Content Server elsewhere (PRS-15, CS-11): they are answered when the objects are there, and
 * refused, with nothing changed, when they cannot be.
 */

import { limits } from '../../limits.ts'
import type { HttpAnswer } from '../../protocols/http/message.ts'
import {
  requestEntityTooLarge,
  SipRefusal,
  serviceUnavailable,
  unsupportedMediaType,
} from '../../protocols/sip/errors.ts'
import { refuse, type SipRequest } from '../../protocols/sip/message.ts'
import type { Output, Turn } from '../../turn.ts'
import { type CarriedObject, type ObjectStore, refusedByStore } from './published-objects.ts'

interface Waiting {
  readonly request: SipRequest
  /** How many of its objects have no answer yet. */
  left: number
}

export class PublicationsWaiting {
  readonly #store: ObjectStore
  /** By transaction. A restart forgets them, and the client, who has no answer, sends again. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(store: ObjectStore) {
    this.#store = store
  }

  /**
   * What is to be asked for before a publication with these objects counts; nothing when all are where they belong. Throws 413 and
   * 415, and 503 when too many wait.
   */
  storeFirst(request: SipRequest, presentity: string, objects: readonly CarriedObject[], turn: Turn): Output[] {
    const requests = refusedByStore(turn, () =>
      objects.map(object => this.#store.toStore(presentity, object, turn)).filter(asked => asked !== undefined),
    )
    if (requests.length === 0) return []
    if (this.#waiting.size >= limits.content.publicationsWaiting) throw serviceUnavailable(1)
    const { transaction } = request
    this.#waiting.set(transaction, { request, left: requests.length })
    return requests.map((asked, place) => ({ kind: 'http', token: `object ${place} ${transaction}`, request: asked }))
  }

  /** A server has answered: `publish` is tried when all objects are there. */
  answered(token: string, answer: HttpAnswer, turn: Turn, publish: (request: SipRequest) => Output[]): Output[] {
    const outputs = this.#store.troubleOf(answer, turn)
    const transaction = token.split(' ').slice(2).join(' ')
    const waiting = this.#waiting.get(transaction)
    if (waiting === undefined) return outputs
    const { status } = answer
    // 412: what has this name is there already.
    const isStored = answer.failure === undefined && ((status >= 200 && status < 300) || status === 412)
    if (isStored && --waiting.left > 0) return outputs
    this.#waiting.delete(transaction)
    try {
      if (!isStored) throw refusalFor(answer, turn)
      return [...outputs, ...publish(waiting.request)]
    } catch (error) {
      // Publishing refuses before it writes.
      if (!(error instanceof SipRefusal)) throw error
      const response = refuse(waiting.request, error, turn.random.token(8))
      return [...outputs, { kind: 'respond', transaction, response }]
    }
  }
}

function refusalFor({ status }: HttpAnswer, { settings }: Turn): SipRefusal {
  if (status === 413 || status === 507) return requestEntityTooLarge()
  if (status === 415) return unsupportedMediaType(settings.content.types.split(','))
  return serviceUnavailable(retrySeconds)
}

/** When a publication is worth another try. */
const retrySeconds = 30
