/**
 * Publications that wait for a Content Server elsewhere (PRS-15): for their objects to be stored there (CS-11), or for the document
 * that they name there (RFC 4483). They are refused, with nothing changed, when that cannot be.
 */

import { limits } from '../../limits.ts'
import type { HttpAnswer, OutgoingHttpRequest } from '../../protocols/http/message.ts'
import {
  requestEntityTooLarge,
  SipRefusal,
  serviceUnavailable,
  unsupportedMediaType,
} from '../../protocols/sip/errors.ts'
import { refuse, type SipRequest } from '../../protocols/sip/message.ts'
import type { Output, Turn } from '../../turn.ts'
import { type CarriedObject, type ObjectStore, refusedByStore } from './published-objects.ts'

/** What a publication has waited for. */
export interface Ready {
  /** Its objects are stored. */
  readonly areStored?: boolean
  /** What was answered for its document. */
  readonly fetched?: HttpAnswer
}

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
    if (objects.length === 0) return []
    const requests = refusedByStore(turn, () =>
      objects.map(object => this.#store.toStore(presentity, object, turn)).filter(asked => asked !== undefined),
    )
    if (requests.length === 0) return []
    const transaction = this.#wait(request, requests.length)
    return requests.map((asked, place) => ({ kind: 'http', token: `object ${place} ${transaction}`, request: asked }))
  }

  /** Asks for the document of a publication. Throws 503 when too many wait. */
  fetchFirst(request: SipRequest, asked: OutgoingHttpRequest): Output[] {
    return [{ kind: 'http', token: `document 0 ${this.#wait(request, 1)}`, request: asked }]
  }

  /** A server has answered: `publish` is tried when there is all that it needs. */
  answered(
    token: string,
    answer: HttpAnswer,
    turn: Turn,
    publish: (request: SipRequest, ready: Ready) => Output[],
  ): Output[] {
    const outputs = this.#store.troubleOf(answer, turn)
    const [kind, , ...words] = token.split(' ')
    const transaction = words.join(' ')
    const waiting = this.#waiting.get(transaction)
    if (waiting === undefined) return outputs
    const { status } = answer
    // 412: what has this name is there already.
    const isStored = answer.failure === undefined && ((status >= 200 && status < 300) || status === 412)
    if (kind === 'object' && isStored && --waiting.left > 0) return outputs
    this.#waiting.delete(transaction)
    try {
      if (kind === 'object' && !isStored) throw refusalFor(answer, turn)
      const ready = kind === 'object' ? { areStored: true } : { fetched: answer }
      return [...outputs, ...publish(waiting.request, ready)]
    } catch (error) {
      // Publishing refuses before it writes.
      if (!(error instanceof SipRefusal)) throw error
      const response = refuse(waiting.request, error, turn.random.token(8))
      return [...outputs, { kind: 'respond', transaction, response }]
    }
  }

  #wait(request: SipRequest, left: number): string {
    if (this.#waiting.size >= limits.content.publicationsWaiting) throw serviceUnavailable(1)
    this.#waiting.set(request.transaction, { request, left })
    return request.transaction
  }
}

function refusalFor({ status }: HttpAnswer, { settings }: Turn): SipRefusal {
  if (status === 413 || status === 507) return requestEntityTooLarge()
  if (status === 415) return unsupportedMediaType(settings.content.types.split(','))
  return serviceUnavailable(retrySeconds)
}

/** When a publication is worth another try. */
const retrySeconds = 30
