/**
 * The virtual users of the XCAP load (RFC 4825): each keeps a contact list of 20 entries. Each operation checks what came back
 * and throws when it is not what the standard demands.
 */

import { createHash } from 'node:crypto'
import { fieldOf, type HttpAnswer, type HttpLoadClient } from './http-load.ts'
import { domain, passwordOf } from './server.ts'

export const entries = 20
const listType = 'application/resource-lists+xml'
const elementType = 'application/xcap-el+xml'
const namespace = 'urn:ietf:params:xml:ns:resource-lists'

/** One contact; the version is in its name, which is as long for every version below a million. */
function entryOf(user: number, entry: number, version: number): string {
  return (
    `<entry uri="sip:friend${entry}of${user}@${domain}">` +
    `<display-name>Friend ${entry} v${String(version).padStart(6, '0')}</display-name></entry>`
  )
}

export function listOf(user: number, version: number): string {
  let text = `<?xml version="1.0" encoding="UTF-8"?>\n<resource-lists xmlns="${namespace}">\n <list name="friends">\n`
  for (let entry = 0; entry < entries; entry++) text += `  ${entryOf(user, entry, version)}\n`
  return `${text} </list>\n</resource-lists>\n`
}

export class ListOwner {
  readonly #client: HttpLoadClient
  readonly #user: number
  readonly #path: string
  #version = 0
  #entry = 0
  #etag = ''
  /** What a GET must yield. */
  #document = ''
  readonly #credentials: Credentials | undefined

  /** `provesHimself`: by digest, as soon as he has been asked to once. */
  constructor(client: HttpLoadClient, user: number, provesHimself = false) {
    this.#client = client
    this.#credentials = provesHimself ? new Credentials(user) : undefined
    this.#user = user
    this.#path = `/xcap-root/resource-lists/users/sip:u${user}@${domain}/index`
  }

  /** The whole list, another one each time. The first is created. */
  async put(): Promise<void> {
    const isNew = this.#version === 0
    const document = listOf(this.#user, ++this.#version)
    const answer = await this.#ask('PUT', this.#path, `Content-Type: ${listType}\r\n`, document)
    // COMPAT(kamailio): it answers 200 for a new document as well.
    expectStatus(answer, isNew && answer.status !== 200 ? 201 : 200)
    this.#document = document
    this.#etag = newTag(answer, this.#etag)
  }

  async get(): Promise<void> {
    const answer = await this.#ask('GET', this.#path)
    expectStatus(answer, 200)
    if (this.#document !== '' && answer.body !== this.#document) throw new Error(`another document:\n${answer.body}`)
    this.#etag = fieldOf(answer.head, 'ETag')
  }

  /** A client that has the document asks whether it is still the same. */
  async getUnchanged(): Promise<void> {
    const answer = await this.#ask('GET', this.#path, `If-None-Match: ${this.#etag}\r\n`)
    expectStatus(answer, 304)
  }

  /** Another name for one of the contacts, each in turn. */
  async putEntry(): Promise<void> {
    const entry = this.#entry++ % entries
    const uri = `sip:friend${entry}of${this.#user}@${domain}`
    const target = `${this.#path}/~~/resource-lists/list%5b@name=%22friends%22%5d/entry%5b@uri=%22${uri}%22%5d`
    const element = entryOf(this.#user, entry, 100_000 + this.#version + Math.floor(this.#entry / entries))
    const answer = await this.#ask('PUT', target, `Content-Type: ${elementType}\r\n`, element)
    expectStatus(answer, 200)
    this.#etag = newTag(answer, this.#etag)
    this.#document = ''
  }

  async remove(): Promise<void> {
    expectStatus(await this.#ask('DELETE', this.#path), 200)
    this.#version = 0
  }

  async #ask(method: string, target: string, lines = '', body = ''): Promise<HttpAnswer> {
    const credentials = this.#credentials
    const proof = credentials?.for(method, target) ?? ''
    const answer = await this.#client.request(this.#user, method, target, lines + proof, body)
    if (answer.status !== 401 || credentials === undefined || proof !== '') return answer
    credentials.challenged(answer.head)
    return this.#client.request(this.#user, method, target, lines + credentials.for(method, target), body)
  }
}

/** Digest with MD5 and qop=auth (RFC 7616), which both servers can; one nonce for all requests of a user. */
class Credentials {
  readonly #username: string
  readonly #secret: string
  #nonce = ''
  #count = 0

  constructor(user: number) {
    this.#username = `u${user}`
    this.#secret = md5(`${this.#username}:${domain}:${passwordOf(user)}`)
  }

  challenged(head: string): void {
    for (const [, challenge = ''] of head.matchAll(/\r\nWWW-Authenticate: Digest (.*)/gi)) {
      const algorithm = /algorithm="?([^",\s]+)/.exec(challenge)?.[1] ?? 'MD5'
      if (algorithm === 'MD5') this.#nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? ''
    }
  }

  /** The Authorization field; nothing before the first challenge. */
  for(method: string, uri: string): string {
    if (this.#nonce === '') return ''
    const count = (++this.#count).toString(16).padStart(8, '0')
    const response = md5(`${this.#secret}:${this.#nonce}:${count}:c0ffee:auth:${md5(`${method}:${uri}`)}`)
    return (
      `Authorization: Digest username="${this.#username}", realm="${domain}", nonce="${this.#nonce}", uri="${uri}", ` +
      `response="${response}", algorithm=MD5, qop=auth, nc=${count}, cnonce="c0ffee"\r\n`
    )
  }
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex')
}

function expectStatus({ status, head, body }: HttpAnswer, expected: number): void {
  if (status !== expected) throw new Error(`${expected} was expected:\n${head}\n\n${body}`)
}

/** RFC 4825 §8.5: every change has an entity-tag of its own. */
function newTag({ head }: HttpAnswer, previous: string): string {
  const etag = fieldOf(head, 'ETag')
  if (etag === '' || etag === previous) throw new Error(`no new entity-tag:\n${head}`)
  return etag
}
