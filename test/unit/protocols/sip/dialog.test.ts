import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  answeredInDialog,
  type Dialog,
  dialogAsClient,
  dialogAsServer,
  dialogIdOf,
  isRepeated,
  receivedInDialog,
  recordRoutes,
  requestInDialog,
} from '../../../../src/protocols/sip/dialog.ts'
import { ParseError, SipRefusal } from '../../../../src/protocols/sip/errors.ts'
import { respond, SipRequest } from '../../../../src/protocols/sip/message.ts'
import { parseMessage } from '../../../../src/protocols/sip/parse.ts'
import { aRequest, requestBytes } from './stack-fixture.ts'

const subscribe = (headers: string[] = ['Contact: <sip:bob@192.0.2.1:40000>'], parts: object = {}) => {
  const request = parseMessage(
    requestBytes({ method: 'SUBSCRIBE', from: '"Bob" <sip:bob@box.example>;tag=from;x=1', headers, ...parts }),
  )
  assert.ok(request instanceof SipRequest)
  return request
}
const refuses = (status: number) => (error: unknown) => error instanceof SipRefusal && error.status === status

describe('RFC 3261 §12.1.1 UAS', () => {
  const routes = ['Record-Route: <sip:p1.example;lr;x=Y>;rr=1, <sip:p2.example>', 'Record-Route: <sip:p3.example;lr>']
  const request = subscribe(['Contact: <sip:bob@192.0.2.1:40000;transport=tcp>', ...routes])

  it('takes remote target, route set, tags, URIs and the remote sequence number from the request', () => {
    assert.deepEqual(dialogAsServer(request, 'ours'), {
      callId: 'call@peer',
      localTag: 'ours',
      remoteTag: 'from',
      localUri: '<sip:alice@box.example>',
      remoteUri: '"Bob" <sip:bob@box.example>;x=1',
      localSequence: undefined,
      remoteSequence: 1,
      remoteTarget: 'sip:bob@192.0.2.1:40000;transport=tcp',
      routeSet: ['<sip:p1.example;lr;x=Y>', '<sip:p2.example>', '<sip:p3.example;lr>'],
      secure: false,
    })
  })

  it('is plain data that survives storing', () => {
    const dialog = dialogAsServer(request, 'ours')
    assert.deepEqual({ ...JSON.parse(JSON.stringify(dialog)), localSequence: undefined }, dialog)
  })

  it('the response repeats Record-Route with all its parameters', () => {
    assert.deepEqual(
      recordRoutes(request).map(([, value]) => value),
      ['<sip:p1.example;lr;x=Y>;rr=1', '<sip:p2.example>', '<sip:p3.example;lr>'],
    )
  })

  it('is secure when the request came over TLS to a SIPS URI', () => {
    const secure = subscribe(undefined, { uri: 'sips:alice@box.example' })
    secure.source = { transport: 'tls', address: '192.0.2.1', port: 1 }
    assert.equal(dialogAsServer(secure, 'ours').secure, true)
    secure.source = { transport: 'tcp', address: '192.0.2.1', port: 1 }
    assert.equal(dialogAsServer(secure, 'ours').secure, false)
  })

  it('refuses a request without exactly one Contact that is a SIP or SIPS URI', () => {
    for (const headers of [[], ['Contact: *'], ['Contact: <tel:+1555>'], ['Contact: <sip:a@b>, <sip:c@d>']]) {
      assert.throws(() => dialogAsServer(subscribe(headers), 'ours'), refuses(400))
    }
  })

  it('lives with a peer of RFC 2543 that sends no From tag', () => {
    const dialog = dialogAsServer(subscribe(undefined, { from: '<sip:bob@box.example>' }), 'ours')
    assert.equal(dialog.remoteTag, '')
    assert.equal(requestInDialog(dialog, 'NOTIFY').request.header('To'), '<sip:bob@box.example>')
  })
})

describe('RFC 3261 §12.1.2 UAC', () => {
  const request = aRequest('SUBSCRIBE', 'sip:bob@peer.example')
  request.prepend('Via', 'SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKx')

  it('takes the route set from the response in reverse, and the local sequence number from the request', () => {
    const response = respond(request, 200, {
      toTag: 'theirs',
      headers: [
        ['Contact', '<sip:bob@192.0.2.1>'],
        ['Record-Route', '<sip:p1;lr>'],
        ['Record-Route', '<sip:p2;lr>, <sip:p3;lr>'],
      ],
    })
    const dialog = dialogAsClient(request, response)
    assert.deepEqual(dialog.routeSet, ['<sip:p3;lr>', '<sip:p2;lr>', '<sip:p1;lr>'])
    assert.equal(dialog.localSequence, 7)
    assert.equal(dialog.remoteSequence, undefined)
    assert.deepEqual([dialog.localTag, dialog.remoteTag], ['ours', 'theirs'])
    assert.deepEqual([dialog.localUri, dialog.remoteUri], ['<sip:alice@box.example>', '<sip:bob@peer.example>'])
  })

  it('needs a Contact', () => {
    assert.throws(() => dialogAsClient(request, respond(request, 200, { toTag: 'theirs' })), ParseError)
  })
})

const dialog: Dialog = {
  callId: 'call@peer',
  localTag: 'ours',
  remoteTag: 'from',
  localUri: '<sip:alice@box.example>',
  remoteUri: '<sip:bob@box.example>',
  localSequence: undefined,
  remoteSequence: 5,
  remoteTarget: 'sip:user@remoteua',
  routeSet: [],
  secure: false,
}

describe('RFC 3261 §12.2.1.1 requests within a dialog', () => {
  it("carry the dialog's To, From and Call-ID, and a CSeq that grows by one", () => {
    const first = requestInDialog(dialog, 'NOTIFY', [['Event', 'presence']], Buffer.from('body'))
    assert.equal(first.request.header('To'), '<sip:bob@box.example>;tag=from')
    assert.equal(first.request.header('From'), '<sip:alice@box.example>;tag=ours')
    assert.equal(first.request.callId, 'call@peer')
    assert.deepEqual(first.request.cseq, { number: 1, method: 'NOTIFY' })
    assert.equal(first.request.header('Event'), 'presence')
    assert.equal(Buffer.from(first.request.body).toString(), 'body')
    assert.equal(first.request.header('Max-Forwards'), '70')
    assert.deepEqual(requestInDialog(first.dialog, 'NOTIFY').request.cseq, { number: 2, method: 'NOTIFY' })
    assert.equal(dialog.localSequence, undefined, 'the record given is left as it was')
  })

  it('with an empty route set: remote target in the Request-URI, no Route', () => {
    const { request } = requestInDialog(dialog, 'NOTIFY')
    assert.equal(request.uri, 'sip:user@remoteua')
    assert.equal(request.hasHeader('Route'), false)
  })

  it('with a loose router first: remote target in the Request-URI, the route set in Route', () => {
    const routeSet = ['<sip:p1;lr;x=1>', '<sip:p2>']
    const { request } = requestInDialog({ ...dialog, routeSet }, 'NOTIFY')
    assert.equal(request.uri, 'sip:user@remoteua')
    assert.deepEqual(request.headers('Route'), routeSet)
  })

  it('with a strict router first: its URI in the Request-URI, the remote target last in Route', () => {
    const routeSet = ['<sip:proxy1;method=X>', '<sip:proxy2>', '<sip:proxy3;lr>', '<sip:proxy4>']
    const { request } = requestInDialog({ ...dialog, routeSet }, 'NOTIFY')
    assert.equal(request.uri, 'sip:proxy1')
    assert.deepEqual(request.headers('Route'), [
      '<sip:proxy2>',
      '<sip:proxy3;lr>',
      '<sip:proxy4>',
      '<sip:user@remoteua>',
    ])
  })
})

describe('RFC 3261 §12.2.1.2 and §12.2.2 what moves a dialog on', () => {
  const within = (cseq: number, headers: string[] = [], to = '<sip:alice@box.example>;tag=ours') =>
    subscribe(headers, { cseq, to })

  it('a request in order, with any gap: the remote sequence number', () => {
    assert.equal(receivedInDialog(dialog, within(6), true).remoteSequence, 6)
    assert.equal(receivedInDialog(dialog, within(60), true).remoteSequence, 60)
  })

  it('"the request is out of order and MUST be rejected with a 500"; a repeated one is told apart', () => {
    assert.throws(() => receivedInDialog(dialog, within(4), true), refuses(500))
    assert.equal(receivedInDialog(dialog, within(5), true).remoteSequence, 5)
    assert.equal(isRepeated(dialog, within(5)), true)
    assert.equal(isRepeated(dialog, within(6)), false)
  })

  it('a target refresh request: the remote target, if it has a Contact', () => {
    const contact = ['Contact: <sip:bob@192.0.2.2>']
    assert.equal(receivedInDialog(dialog, within(6, contact), true).remoteTarget, 'sip:bob@192.0.2.2')
    assert.equal(receivedInDialog(dialog, within(6, contact), false).remoteTarget, 'sip:user@remoteua')
    assert.equal(receivedInDialog(dialog, within(6), true).remoteTarget, 'sip:user@remoteua')
  })

  it('a request of another dialog is 481', () => {
    assert.throws(
      () => receivedInDialog(dialog, within(6, [], '<sip:alice@box.example>;tag=other'), true),
      refuses(481),
    )
    assert.throws(() => receivedInDialog(dialog, within(6, [], '<sip:alice@box.example>'), true), refuses(481))
    assert.equal(dialogIdOf(within(6, [], '<sip:alice@box.example>')), undefined)
  })

  it('a 2xx to a target refresh request: the remote target', () => {
    const { request } = requestInDialog(dialog, 'SUBSCRIBE')
    const response = respond(request, 200, { headers: [['Contact', '<sip:bob@192.0.2.3>']] })
    assert.equal(answeredInDialog(dialog, response).remoteTarget, 'sip:bob@192.0.2.3')
    assert.equal(answeredInDialog(dialog, respond(request, 200)).remoteTarget, 'sip:user@remoteua')
  })
})
