/**
 * A handset's day as SIP: registration, publication with rich presence, subscriptions to a list, a friend and the own
 * watchers, their notifications, refreshes and the end, as it would go between a handset and its first hop. Tokens are
 * random but the same every time.
 */

import { createHash } from 'node:crypto'

export interface CorpusMessage {
  readonly title: string
  /** True from the handset to the box. */
  readonly up: boolean
  readonly bytes: Buffer
  /** What dialogue of like messages it belongs to, for ratios of a steady dialogue. */
  readonly dialogue: string | undefined
}

/** Random-looking text that is the same for the same seed. */
class Tokens {
  #count = 0
  readonly #seed: string

  constructor(seed: string) {
    this.#seed = seed
  }

  hex(length: number): string {
    let text = ''
    while (text.length < length)
      text += createHash('sha1')
        .update(`${this.#seed}/${this.#count++}`)
        .digest('hex')
    return text.slice(0, length)
  }

  /** Letters and digits. */
  text(length: number): string {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
    const bytes = Buffer.from(this.hex(2 * length), 'hex')
    return [...bytes].map(octet => alphabet[octet % alphabet.length]!).join('')
  }

  uuid(): string {
    const h = this.hex(32)
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-9${h.slice(17, 20)}-${h.slice(20)}`
  }
}

/** The messages of one handset, in order. Another `handset` is another user with other friends and tokens. */
export function corpus(handset = 'anna'): readonly CorpusMessage[] {
  const tokens = new Tokens(handset)
  const messages: CorpusMessage[] = []
  const domain = 'home.example.net'
  const box = `box.${domain}`
  const user = `sip:${handset}@${domain}`
  const [bob, cleo, dora] = ['bob', 'cleo.marsh', 'dora77'].map(name => `sip:${name}@${domain}`) as [
    string,
    string,
    string,
  ]
  const address = '10.34.117.62:5060'
  const instance = tokens.uuid()
  const boxInstance = tokens.uuid()
  const contact = `<sip:${handset}@${address};comp=sigcomp;sigcomp-id=urn:uuid:${instance}>`
  const agent = 'Tellus-PoC/2.4 PRS-client/OMA2.0'
  const allow = 'INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, MESSAGE, REFER, UPDATE, PRACK'
  const clock = { seconds: 29_412 }

  const time = (): string => {
    clock.seconds += 97
    const two = (value: number): string => String(Math.floor(value) % 60).padStart(2, '0')
    return `2026-11-20T${two(clock.seconds / 3600)}:${two(clock.seconds / 60)}:${two(clock.seconds)}Z`
  }
  const say = (title: string, up: boolean, dialogue: string | undefined, head: readonly string[], body = ''): void => {
    const text = `${[...head, `Content-Length: ${Buffer.byteLength(body)}`].join('\r\n')}\r\n\r\n${body}`
    messages.push({ title, up, dialogue, bytes: Buffer.from(text) })
  }
  const handsetVia = (): string =>
    `Via: SIP/2.0/UDP ${address};comp=sigcomp;sigcomp-id="urn:uuid:${instance}";branch=z9hG4bK${tokens.text(16)};rport`
  const boxVia = (): string =>
    `Via: SIP/2.0/UDP ${box}:5060;comp=sigcomp;sigcomp-id="urn:uuid:${boxInstance}";branch=z9hG4bK-${tokens.hex(20)}`
  const received = (via: string): string => via.replace(';rport', ';rport=5060;received=10.34.117.62')
  const route = `Route: <sip:${box};lr;comp=sigcomp;sigcomp-id=urn:uuid:${boxInstance}>`
  const network = 'P-Access-Network-Info: 3GPP-UTRAN-TDD;utran-cell-id-3gpp=262021C4D0A12F3'
  const sequence = { value: 4_107 }

  // Registration: challenged, then accepted.
  const callId = `${tokens.text(22)}@10.34.117.62`
  const register = (dialogue: string | undefined, expires: number, nonce: string | undefined): void => {
    const via = handsetVia()
    const from = `From: <${user}>;tag=${tokens.text(10)}`
    const cseq = `CSeq: ${sequence.value++} REGISTER`
    const authorization =
      nonce === undefined
        ? `Authorization: Digest username="${handset}@${domain}",realm="${domain}",nonce="",uri="sip:${domain}",response=""`
        : `Authorization: Digest username="${handset}@${domain}",realm="${domain}",nonce="${nonce}",uri="sip:${domain}",` +
          `response="${tokens.hex(32)}",algorithm=MD5,cnonce="${tokens.hex(16)}",qop=auth,nc=0000000${sequence.value % 9}`
    say('REGISTER', true, dialogue, [
      `REGISTER sip:${domain} SIP/2.0`,
      via,
      'Max-Forwards: 70',
      from,
      `To: <${user}>`,
      `Call-ID: ${callId}`,
      cseq,
      `Contact: ${contact};+sip.instance="<urn:uuid:${instance}>";reg-id=1;expires=${expires};+g.oma.sip-im`,
      authorization,
      network,
      `Allow: ${allow}`,
      'Supported: path, gruu, outbound, eventlist',
      `User-Agent: ${agent}`,
    ])
    const echo = [received(via), from, `To: <${user}>;tag=${tokens.hex(12)}`, `Call-ID: ${callId}`, cseq]
    if (nonce === undefined)
      say('401 to REGISTER', false, undefined, [
        'SIP/2.0 401 Unauthorized',
        ...echo,
        `WWW-Authenticate: Digest realm="${domain}",nonce="${challenge}",algorithm=MD5,qop="auth"`,
        'Server: Porchlight',
      ])
    else
      say('200 to REGISTER', false, dialogue, [
        'SIP/2.0 200 OK',
        ...echo,
        ...(expires === 0
          ? []
          : [
              `Contact: ${contact};expires=${expires};+sip.instance="<urn:uuid:${instance}>";reg-id=1` +
                `;pub-gruu="${user};gr=urn:uuid:${instance}";temp-gruu="sip:tgruu.${tokens.text(24)}@${domain};gr"`,
            ]),
        `Service-Route: <sip:${box};lr;comp=sigcomp;sigcomp-id=urn:uuid:${boxInstance}>`,
        `P-Associated-URI: <${user}>, <tel:+4930901820${handset.length}7>`,
        'Supported: path, gruu, outbound',
        'Require: outbound',
        'Server: Porchlight',
      ])
  }
  const challenge = tokens.hex(40)
  register(undefined, 3600, undefined)
  register(undefined, 3600, challenge)

  // Publications.
  const publishCallId = `${tokens.text(22)}@10.34.117.62`
  const publication = { etag: '' }
  const tuple = tokens.hex(8)
  const device = instance
  const rich = (basic: string, activity: string, mood: string, note: string): string =>
    `<?xml version="1.0" encoding="UTF-8"?>\r\n<presence xmlns="urn:ietf:params:xml:ns:pidf" ` +
    `xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" ` +
    `xmlns:op="urn:oma:xml:prs:pidf:oma-pres" entity="${user}">\r\n` +
    `  <tuple id="t${tuple}">\r\n    <status>\r\n      <basic>${basic}</basic>\r\n` +
    `      <op:willingness><op:basic>${basic}</op:basic></op:willingness>\r\n    </status>\r\n` +
    `    <op:service-description>\r\n      <op:service-id>org.openmobilealliance:PoC-session</op:service-id>\r\n` +
    `      <op:version>1.0</op:version>\r\n    </op:service-description>\r\n` +
    `    <dm:deviceID>urn:uuid:${device}</dm:deviceID>\r\n` +
    `    <contact priority="0.8">${user}</contact>\r\n    <timestamp>${time()}</timestamp>\r\n  </tuple>\r\n` +
    `  <dm:person id="p${tuple}">\r\n    <rpid:activities><rpid:${activity}/></rpid:activities>\r\n` +
    `    <rpid:mood><rpid:${mood}/></rpid:mood>\r\n    <dm:note xml:lang="en">${note}</dm:note>\r\n` +
    `    <dm:timestamp>${time()}</dm:timestamp>\r\n  </dm:person>\r\n</presence>\r\n`
  const publish = (body: string, expires = 3600): void => {
    const via = handsetVia()
    const from = `From: <${user}>;tag=${tokens.text(10)}`
    const id = publishCallId
    const cseq = `CSeq: ${sequence.value++} PUBLISH`
    say(
      'PUBLISH',
      true,
      'publish',
      [
        `PUBLISH ${user} SIP/2.0`,
        via,
        'Max-Forwards: 70',
        route,
        from,
        `To: <${user}>`,
        `Call-ID: ${id}`,
        cseq,
        `P-Preferred-Identity: <${user}>`,
        network,
        'Event: presence',
        `Expires: ${expires}`,
        ...(publication.etag === '' ? [] : [`SIP-If-Match: ${publication.etag}`]),
        `User-Agent: ${agent}`,
        ...(body === '' ? [] : ['Content-Type: application/pidf+xml']),
      ],
      body,
    )
    publication.etag = tokens.hex(16)
    say('200 to PUBLISH', false, 'publish', [
      'SIP/2.0 200 OK',
      received(via),
      from,
      `To: <${user}>;tag=${tokens.hex(12)}`,
      `Call-ID: ${id}`,
      cseq,
      `SIP-ETag: ${publication.etag}`,
      `Expires: ${expires}`,
      'Server: Porchlight',
    ])
  }

  // Subscriptions, each a dialogue.
  const subscription = (name: string, to: string, event: string, accept: string, list: boolean) => {
    const id = `${tokens.text(22)}@10.34.117.62`
    const fromTag = tokens.text(10)
    const toTag = tokens.hex(12)
    const notified = { sequence: 0, expires: 3600 }
    return {
      subscribe(refresh: boolean, expires = 3600): void {
        const via = handsetVia()
        const cseq = `CSeq: ${sequence.value++} SUBSCRIBE`
        const from = `From: <${user}>;tag=${fromTag}`
        say(`SUBSCRIBE ${name}`, true, undefined, [
          refresh ? `SUBSCRIBE sip:${box};comp=sigcomp;ob=${toTag} SIP/2.0` : `SUBSCRIBE ${to} SIP/2.0`,
          via,
          'Max-Forwards: 70',
          route,
          from,
          `To: <${to}>${refresh ? `;tag=${toTag}` : ''}`,
          `Call-ID: ${id}`,
          cseq,
          `Contact: ${contact}`,
          ...(refresh ? [] : [`P-Preferred-Identity: <${user}>`]),
          network,
          `Event: ${event}`,
          `Expires: ${expires}`,
          `Accept: ${accept}`,
          ...(list ? ['Supported: eventlist'] : []),
          `User-Agent: ${agent}`,
        ])
        say(`200 to SUBSCRIBE ${name}`, false, undefined, [
          'SIP/2.0 200 OK',
          received(via),
          `Record-Route: <sip:${box};lr;comp=sigcomp;sigcomp-id=urn:uuid:${boxInstance}>`,
          from,
          `To: <${to}>;tag=${toTag}`,
          `Call-ID: ${id}`,
          cseq,
          `Contact: <sip:${box};comp=sigcomp;ob=${toTag}>`,
          `Expires: ${expires}`,
          ...(list ? ['Require: eventlist'] : []),
          'Server: Porchlight',
        ])
        notified.expires = expires
      },
      notify(type: string, body: string, state = 'active'): void {
        const via = boxVia()
        const from = `From: <${to}>;tag=${toTag}`
        const cseq = `CSeq: ${++notified.sequence} NOTIFY`
        notified.expires -= 61
        say(
          `NOTIFY ${name}`,
          false,
          `notify ${name}`,
          [
            `NOTIFY ${contact.slice(1, -1)} SIP/2.0`,
            via,
            'Max-Forwards: 70',
            from,
            `To: <${user}>;tag=${fromTag}`,
            `Call-ID: ${id}`,
            cseq,
            `Contact: <sip:${box};comp=sigcomp;ob=${toTag}>`,
            `Event: ${event}`,
            `Subscription-State: ${state === 'active' ? `active;expires=${notified.expires}` : 'terminated;reason=timeout'}`,
            ...(list ? ['Require: eventlist'] : []),
            ...(body === '' ? [] : [`Content-Type: ${type}`]),
          ],
          body,
        )
        say(`200 to NOTIFY ${name}`, true, `notify ${name}`, [
          'SIP/2.0 200 OK',
          via,
          from,
          `To: <${user}>;tag=${fromTag}`,
          `Call-ID: ${id}`,
          cseq,
          `User-Agent: ${agent}`,
        ])
      },
    }
  }
  const friendTuples = new Map([bob, cleo, dora].map(friend => [friend, [tokens.hex(8), tokens.uuid()] as const]))
  const friend = (entity: string, basic: string, activity: string, note: string): string => {
    const [id, deviceId] = friendTuples.get(entity)!
    return (
      `<?xml version="1.0" encoding="UTF-8"?>\n<presence xmlns="urn:ietf:params:xml:ns:pidf" ` +
      `xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model" xmlns:rpid="urn:ietf:params:xml:ns:pidf:rpid" ` +
      `xmlns:op="urn:oma:xml:prs:pidf:oma-pres" entity="${entity}"><tuple id="t${id}"><status><basic>${basic}</basic>` +
      `</status><op:service-description><op:service-id>org.openmobilealliance:IM-session</op:service-id>` +
      `<op:version>1.0</op:version></op:service-description><dm:deviceID>urn:uuid:${deviceId}</dm:deviceID>` +
      `<contact>${entity}</contact><timestamp>${time()}</timestamp></tuple><dm:person id="p${id}"><rpid:activities>` +
      `<rpid:${activity}/></rpid:activities><dm:note>${note}</dm:note></dm:person></presence>`
    )
  }
  const listUri = `sip:${handset};pres-list=friends@${domain}`
  const list = subscription(
    'list',
    listUri,
    'presence',
    'application/pidf+xml, application/rlmi+xml, multipart/related',
    true,
  )
  const version = { value: 0 }
  const listBody = (full: boolean, parts: readonly (readonly [string, string])[]): readonly [string, string] => {
    const boundary = tokens.text(16)
    const ids = parts.map(() => `${tokens.text(10)}@${domain}`)
    const top = `${tokens.text(10)}@${domain}`
    const rlmi =
      `<?xml version="1.0" encoding="UTF-8"?>\n<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="${listUri}" ` +
      `version="${version.value++}" fullState="${full}">${parts
        .map(
          ([uri], i) =>
            `<resource uri="${uri}"><instance id="${uri.slice(4, 7)}1" state="active" cid="${ids[i]}"/></resource>`,
        )
        .join('')}</list>`
    const part = (type: string, id: string, body: string): string =>
      `--${boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <${id}>\r\nContent-Type: ${type};charset="UTF-8"` +
      `\r\n\r\n${body}\r\n`
    const body = [
      part('application/rlmi+xml', top, rlmi),
      ...parts.map(([, pidf], i) => part('application/pidf+xml', ids[i]!, pidf)),
    ].join('')
    return [
      `multipart/related;type="application/rlmi+xml";start="<${top}>";boundary="${boundary}"`,
      `${body}--${boundary}--\r\n`,
    ]
  }
  const watchers = subscription('watchers', user, 'presence.winfo', 'application/watcherinfo+xml', false)
  const watcherIds = [tokens.text(12), tokens.text(12)] as const
  const watcherList = (full: boolean, entries: readonly (readonly [string, number, string, string])[]): string =>
    `<?xml version="1.0"?>\n<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo" version="${version.value++ % 7}" ` +
    `state="${full ? 'full' : 'partial'}"><watcher-list resource="${user}" package="presence">${entries
      .map(
        ([uri, index, status, event]) =>
          `<watcher id="${watcherIds[index]}" status="${status}" event="${event}">${uri}</watcher>`,
      )
      .join('')}</watcher-list></watcherinfo>`

  publish(rich('open', 'meeting', 'neutral', 'Sprint planning until noon'))
  list.subscribe(false)
  list.notify(
    ...listBody(true, [
      [bob, friend(bob, 'open', 'appointment', 'At the dentist')],
      [cleo, friend(cleo, 'closed', 'sleeping', 'Good night')],
      [dora, friend(dora, 'open', 'working', 'Home office today')],
    ]),
  )
  watchers.subscribe(false)
  watchers.notify('application/watcherinfo+xml', watcherList(true, [[bob, 0, 'active', 'subscribe']]))
  watchers.notify('application/watcherinfo+xml', watcherList(false, [[cleo, 1, 'pending', 'subscribe']]))
  publish(rich('open', 'on-the-phone', 'busy', 'Sprint planning until noon'))
  list.notify(...listBody(false, [[bob, friend(bob, 'open', 'travel', 'On the train')]]))
  const single = subscription('friend', dora, 'presence', 'application/pidf+xml', false)
  single.subscribe(false)
  single.notify('application/pidf+xml', friend(dora, 'open', 'working', 'Home office today'))
  publish(rich('open', 'lunch', 'happy', 'Pizza at Rosa'))
  single.notify('application/pidf+xml', friend(dora, 'closed', 'away', 'Back at three'))
  list.notify(...listBody(false, [[cleo, friend(cleo, 'open', 'breakfast', 'Coffee first')]]))
  single.notify('application/pidf+xml', friend(dora, 'open', 'meeting', 'Call me after four'))
  publish('')
  register('register', 3600, challenge)
  list.notify(...listBody(false, [[bob, friend(bob, 'closed', 'travel', 'Tunnel')]]))
  single.notify('application/pidf+xml', friend(dora, 'open', 'working', 'Free again'))
  publish(rich('closed', 'away', 'sleepy', 'Gone for today'))
  single.subscribe(true)
  single.notify('application/pidf+xml', friend(dora, 'closed', 'vacation', 'Two weeks of sea and sun'))
  list.subscribe(true)
  list.notify(
    ...listBody(true, [
      [bob, friend(bob, 'open', 'working', 'Here')],
      [cleo, friend(cleo, 'open', 'working', 'Here')],
      [dora, friend(dora, 'closed', 'vacation', 'Two weeks of sea and sun')],
    ]),
  )
  register('register', 3600, challenge)
  single.subscribe(true, 0)
  single.notify('application/pidf+xml', '', 'terminated')
  publish('', 0)
  register('register', 0, challenge)
  return messages
}
