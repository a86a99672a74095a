/** A user agent that registers its contact (RFC 3261 §10.2) and takes messages (RFC 3428 §7). */

import { respond } from '../../src/protocols/sip/message.ts'
import type { Instant } from '../../src/turn.ts'
import { type Exchange, UserAgent, type UserAgentOptions } from './user-agent.ts'

export class Registrant extends UserAgent {
  readonly #callId: string

  constructor(options: UserAgentOptions) {
    super(options)
    this.#callId = `${this.token(16)}@${options.name.toLowerCase()}`
    this.handlers.set('MESSAGE', request => respond(request, 200, { toTag: this.token() }))
    this.handlers.set('OPTIONS', request => respond(request, 200, { toTag: this.token() }))
  }

  /** `expires` in seconds; 0 removes the binding. */
  register(expires: number, now: Instant): Exchange {
    return this.send(
      'REGISTER',
      `sip:${this.options.aor.slice(this.options.aor.indexOf('@') + 1)}`,
      [
        ['To', `<${this.options.aor}>`],
        ['Call-ID', this.#callId],
        ['Expires', String(expires)],
      ],
      now,
    )
  }
}
