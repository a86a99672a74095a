/** A stack under test with a clock of its own, the messages it is given and what it answers. */

import { type Flow, type Transport, udpFlowId } from '../../../../src/protocols/sip/flow.ts'
import { respond, SipRequest, SipResponse } from '../../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'
import {
  type DnsRecord,
  type Randomness,
  SipStack,
  type StackOptions,
  type StackOutput,
} from '../../../../src/protocols/sip/stack.ts'

export const here = '192.0.2.10'
export const peer = '192.0.2.1'

/** Repeatable and good enough for tests (mulberry32). */
export function seededRandom(seed: number): Randomness & { below(below: number): number } {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
  return { below, token: characters => Array.from({ length: characters }, () => letters[below(36)]).join('') }
}

export function udp(port = 40_000, address = peer): Flow {
  return {
    id: udpFlowId(here, 5060, address, port),
    transport: 'udp',
    localAddress: here,
    localPort: 5060,
    remoteAddress: address,
    remotePort: port,
  }
}

export function stream(id: string, transport: Transport = 'tcp', port = 40_000, address = peer): Flow {
  const localPort = transport === 'tls' ? 5061 : 5060
  return { id, transport, localAddress: here, localPort, remoteAddress: address, remotePort: port }
}

type RequestParts = {
  method?: string
  uri?: string
  via?: string
  branch?: string
  from?: string
  to?: string
  callId?: string
  cseq?: number
  headers?: readonly string[]
  body?: string
}

/** A request as it comes from the network. */
export function requestBytes(parts: RequestParts = {}): Buffer {
  const method = parts.method ?? 'PUBLISH'
  const via = parts.via ?? `SIP/2.0/UDP ${peer}:40000;rport;branch=${parts.branch ?? 'z9hG4bKone'}`
  const body = parts.body ?? ''
  const lines = [
    `${method} ${parts.uri ?? 'sip:alice@box.example'} SIP/2.0`,
    `Via: ${via}`,
    'Max-Forwards: 70',
    `From: ${parts.from ?? '<sip:bob@box.example>;tag=from'}`,
    `To: ${parts.to ?? '<sip:alice@box.example>'}`,
    `Call-ID: ${parts.callId ?? 'call@peer'}`,
    `CSeq: ${parts.cseq ?? 1} ${method}`,
    ...(parts.headers ?? []),
    `Content-Length: ${Buffer.byteLength(body)}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** A request as a user of the stack makes it. */
export function aRequest(method: string, uri: string, headers: readonly (readonly [string, string])[] = [], body = '') {
  const fields: [string, string][] = [
    ['Max-Forwards', '70'],
    ['From', '<sip:alice@box.example>;tag=ours'],
    ['To', '<sip:bob@peer.example>'],
    ['Call-ID', 'call@box'],
    ['CSeq', `7 ${method}`],
    ...headers.map(([name, value]): [string, string] => [name, value]),
  ]
  return new SipRequest(method, uri, fields, Buffer.from(body))
}

/** What the peer answers to a request of ours. */
export function responseTo(
  request: SipRequest,
  status: number,
  options: Parameters<typeof respond>[2] = { toTag: 'theirs' },
): Buffer {
  return respond(request, status, options).toBytes()
}

export class Bench {
  now = 1_000_000
  readonly stack: SipStack
  /** Everything asked for since `clear`. */
  outputs: StackOutput[] = []

  constructor(options: Partial<StackOptions> = {}) {
    this.stack = new SipStack({
      random: seededRandom(1),
      listening: [
        { transport: 'udp', address: here, port: 5060 },
        { transport: 'tcp', address: here, port: 5060 },
        { transport: 'tls', address: here, port: 5061 },
      ],
      ...options,
    })
  }

  receive(bytes: Buffer, flow: Flow = udp()): StackOutput[] {
    return this.#note(this.stack.received(bytes, flow, this.now))
  }

  /** The user answers the request that was delivered last with this method. */
  answer(status: number, options: Parameters<typeof respond>[2] = { toTag: 'ours' }, method?: string): StackOutput[] {
    const request = this.delivered(method)
    return this.#note(this.stack.respond(request.transaction, respond(request, status, options), this.now))
  }

  request(request: SipRequest, token = 'token', flow?: string): StackOutput[] {
    return this.#note(this.stack.request(request, token, flow, this.now))
  }

  ack(request: SipRequest, flow?: string): StackOutput[] {
    return this.#note(this.stack.ack(request, flow, this.now))
  }

  cancel(token = 'token'): StackOutput[] {
    return this.#note(this.stack.cancel(token, this.now))
  }

  connected(connection: string, flow: Flow): StackOutput[] {
    return this.#note(this.stack.connected(connection, flow, this.now))
  }

  disconnected(flowOrConnection: string): StackOutput[] {
    return this.#note(this.stack.disconnected(flowOrConnection, 'gone', this.now))
  }

  resolved(query: string, records?: readonly DnsRecord[]): StackOutput[] {
    return this.#note(this.stack.resolved(query, records, this.now))
  }

  /** The peer answers the request that was sent last. */
  peerAnswers(
    status: number,
    options: Parameters<typeof respond>[2] = { toTag: 'theirs' },
    flow = udp(),
  ): StackOutput[] {
    return this.receive(responseTo(this.requestSent(), status, options), flow)
  }

  /** Lets time pass, calling the stack at each of its deadlines; returns what it did with the time of each output. */
  pass(ms: number): { at: number; output: StackOutput }[] {
    const end = this.now + ms
    const log: { at: number; output: StackOutput }[] = []
    const start = this.now
    for (let due = this.stack.deadline(); due !== undefined && due <= end; due = this.stack.deadline()) {
      this.now = Math.max(due, this.now)
      for (const output of this.#note(this.stack.expire(this.now))) log.push({ at: this.now - start, output })
    }
    this.now = end
    return log
  }

  /** When, in milliseconds from now, the stack sends something by itself in the time that passes. */
  sendTimes(ms: number): number[] {
    return this.pass(ms)
      .filter(({ output }) => output.kind === 'send')
      .map(({ at }) => at)
  }

  clear(): void {
    this.outputs = []
  }

  /** The request that the user was given last. */
  delivered(method?: string): SipRequest {
    const requests = this.outputs.filter(output => output.kind === 'request').map(output => output.request)
    const request = requests.findLast(request => method === undefined || request.method === method)
    if (!request) throw new Error('no request was delivered')
    return request
  }

  get #sent(): (SipRequest | SipResponse)[] {
    return messagesOf(this.outputs)
  }

  requestSent(): SipRequest {
    const request = this.#sent.findLast(message => message instanceof SipRequest)
    if (!(request instanceof SipRequest)) throw new Error('no request was sent')
    return request
  }

  responseSent(): SipResponse {
    const response = this.#sent.findLast(message => message instanceof SipResponse)
    if (!(response instanceof SipResponse)) throw new Error('no response was sent')
    return response
  }

  /** Statuses that the user was given, in order. */
  statuses(token = 'token'): number[] {
    return this.outputs
      .filter(output => output.kind === 'response')
      .filter(output => output.token === token)
      .map(output => output.response.status)
  }

  #note(outputs: StackOutput[]): StackOutput[] {
    this.outputs.push(...outputs)
    return outputs
  }
}

export function kinds(outputs: readonly StackOutput[]): string[] {
  return outputs.map(output => output.kind)
}

export function messagesOf(outputs: readonly StackOutput[]): (SipRequest | SipResponse)[] {
  return outputs
    .filter(output => output.kind === 'send')
    .filter(output => output.bytes.length > 4)
    .map(output => parseMessage(output.bytes))
}

/** `NOTIFY` or `200`, and the flow it leaves on, for each message sent. */
export function summary(outputs: readonly StackOutput[]): string[] {
  return outputs.map(output => {
    if (output.kind === 'send') {
      if (output.bytes.length <= 4) return `send ${JSON.stringify(output.bytes.toString())} ${output.flow}`
      const message = parseMessage(output.bytes)
      return `send ${message instanceof SipRequest ? message.method : message.status} ${output.flow}`
    }
    if (output.kind === 'request') return `request ${output.request.method}`
    if (output.kind === 'response') return `response ${output.response.status} ${output.token}`
    if (output.kind === 'connect')
      return `connect ${output.transport} ${output.address}:${output.port} ${output.serverName}`
    if (output.kind === 'resolve') return `resolve ${output.type} ${output.name}`
    if (output.kind === 'close') return `close ${output.flow}`
    return output.kind
  })
}

/** The name under which the stack asked for something: of the last `connect` or `resolve`. */
export function nameOf(outputs: readonly StackOutput[]): string {
  const asked = outputs.findLast(output => output.kind === 'connect' || output.kind === 'resolve')
  if (asked?.kind === 'connect') return asked.connection
  if (asked?.kind === 'resolve') return asked.query
  throw new Error('nothing was asked for')
}
