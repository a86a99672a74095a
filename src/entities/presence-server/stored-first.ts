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
import type { Known } from './publication-body.ts'
import { type CarriedObject, type ObjectStore, refusedByStore } from './published-objects.ts'

/** What a publication has waited for. */
export interface Ready extends Known {
  /** Its objects are stored. */
  readonly areStored?: boolean
}

interface Waiting {
  readonly request: SipRequest
  readonly known: Known
  /** What was asked, of documents and objects, in the order of the tokens. */
  readonly asked: readonly Asked[]
  /** How many of its objects have no answer yet. */
  left: number
  /** URIs of those that could not be stored, and need not be. */
  readonly lost: Set<string>
}

interface Asked {
  readonly request: OutgoingHttpRequest
  /** Of an object that the document is published without, if it must be: its URI. */
  readonly mayBeLost?: string | undefined
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
  storeFirst(
    request: SipRequest,
    presentity: string,
    objects: readonly CarriedObject[],
    known: Known,
    turn: Turn,
  ): Output[] {
    if (objects.length === 0) return []
    const asked = refusedByStore(turn, () =>
      objects.flatMap((object): Asked[] => {
        const put = this.#store.toStore(presentity, object, turn)
        if (put === undefined) return []
        const mayBeLost = object.mayBeIgnored ? this.#store.uriOf(presentity, object, turn) : undefined
        return [{ request: put, mayBeLost }]
      }),
    )
    return asked.length === 0 ? [] : this.#ask('object', request, known, asked)
  }

  /** Asks for the document of a publication. Throws 503 when too many wait. */
  fetchFirst(request: SipRequest, asked: OutgoingHttpRequest): Output[] {
    return this.#ask('document', request, {}, [{ request: asked }])
  }

  /** A server has answered: `publish` is tried when there is all that it needs. */
  answered(
    token: string,
    answer: HttpAnswer,
    turn: Turn,
    publish: (request: SipRequest, ready: Ready) => Output[],
  ): Output[] {
    const outputs = this.#store.troubleOf(answer, turn)
    const [kind, place, ...words] = token.split(' ')
    const transaction = words.join(' ')
    const waiting = this.#waiting.get(transaction)
    if (waiting === undefined) return outputs
    const { status } = answer
    const asked = waiting.asked[Number(place)]!
    // 412: what has this name is there already.
    const isStored = answer.failure === undefined && ((status >= 200 && status < 300) || status === 412)
    if (kind === 'object' && !isStored && asked.mayBeLost !== undefined) waiting.lost.add(asked.mayBeLost)
    const isRefused = kind === 'object' && !isStored && asked.mayBeLost === undefined
    if (kind === 'object' && !isRefused && --waiting.left > 0) return outputs
    this.#waiting.delete(transaction)
    try {
      if (isRefused) throw refusalFor(answer, turn)
      const ready =
        kind === 'object'
          ? { ...waiting.known, areStored: true, lost: waiting.lost }
          : { fetched: { uri: asked.request.uri, answer } }
      return [...outputs, ...publish(waiting.request, ready)]
    } catch (error) {
      // Publishing refuses before it writes.
      if (!(error instanceof SipRefusal)) throw error
      const response = refuse(waiting.request, error, turn.random.token(8))
      return [...outputs, { kind: 'respond', transaction, response }]
    }
  }

  #ask(kind: 'document' | 'object', request: SipRequest, known: Known, asked: readonly Asked[]): Output[] {
    const { transaction } = request
    if (this.#waiting.size >= limits.content.publicationsWaiting) throw serviceUnavailable(1)
    this.#waiting.set(transaction, { request, known, asked, left: asked.length, lost: new Set() })
    return asked.map((each, place) => ({
      kind: 'http',
      token: `${kind} ${place} ${transaction}`,
      request: each.request,
    }))
  }
}

function refusalFor({ status }: HttpAnswer, { settings }: Turn): SipRefusal {
  if (status === 413 || status === 507) return requestEntityTooLarge()
  if (status === 415) return unsupportedMediaType(settings.content.types.split(','))
  return serviceUnavailable(retrySeconds)
}

/** When a publication is worth another try. */
const retrySeconds = 30
