/** A presentity who writes rules by XCAP: ten classes of watchers, each of whom sees something else (RFC 5025). */

import type { HttpAnswer, HttpLoadClient } from './http-load.ts'
import { domain } from './server.ts'

export const classes = 10

/** What a class sees beside the note in which the version stands, by the bits of its number. */
const permissions = [
  '<pr:provide-persons><pr:all-persons/></pr:provide-persons>',
  '<pr:provide-activities>true</pr:provide-activities>',
  '<pr:provide-mood>true</pr:provide-mood>',
  '<pr:provide-place-type>true</pr:provide-place-type>',
]

function rulesOf(watchers: readonly number[]): string {
  let text =
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<ruleset xmlns="urn:ietf:params:xml:ns:common-policy" xmlns:pr="urn:ietf:params:xml:ns:pres-rules">\n`
  for (let number = 0; number < classes; number++) {
    const members = watchers.filter((_, index) => index % classes === number)
    const ones = members.map(user => `<one id="sip:u${user}@${domain}"/>`)
    const granted = permissions.filter((_, bit) => ((number + 1) >> bit) & 1)
    text +=
      ` <rule id="class${number}"><conditions><identity>${ones.join('')}</identity></conditions>\n` +
      `  <actions><pr:sub-handling>allow</pr:sub-handling></actions>\n` +
      `  <transformations><pr:provide-services><pr:all-services/></pr:provide-services>` +
      `${granted.join('')}<pr:provide-note>true</pr:provide-note></transformations></rule>\n`
  }
  return `${text}</ruleset>\n`
}

export class RulesOwner {
  readonly #client: HttpLoadClient
  readonly #home: string

  constructor(client: HttpLoadClient, user: number) {
    this.#client = client
    this.#home = `users/sip:u${user}@${domain}`
  }

  async put(watchers: readonly number[]): Promise<void> {
    const answer = await this.#client.request(
      0,
      'PUT',
      `/xcap-root/pres-rules/${this.#home}/index`,
      'Content-Type: application/auth-policy+xml\r\n',
      rulesOf(watchers),
    )
    expectOneOf(answer, [200, 201])
  }

  /** Removes these rules and those that the user was given with his account. */
  async remove(): Promise<void> {
    for (const path of [`pres-rules/${this.#home}/index`, `org.openmobilealliance.pres-rules/${this.#home}/pres-rules`])
      expectOneOf(await this.#client.request(0, 'DELETE', `/xcap-root/${path}`), [200, 404])
  }
}

function expectOneOf({ status, head, body }: HttpAnswer, expected: readonly number[]): void {
  if (!expected.includes(status)) throw new Error(`${expected.join(' or ')} was expected:\n${head}\n\n${body}`)
}
