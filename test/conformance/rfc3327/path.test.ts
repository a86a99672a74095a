/** RFC 3327 §5.3, §5.4: Path at the registrar and at the home proxy (SIP-02). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerOf, Core, sentOf } from '../../unit/entities/sip-ip-core/core.ts'

const path = '<sip:P3.EXAMPLEHOME.COM;lr>,<sip:P1.EXAMPLEVISITED.COM;lr>'
const supported = ['Supported', 'path'] as const

test('§5.3: the registrar stores the path with the binding and copies it into the 200', () => {
  const response = new Core().register('alice', ['<sip:alice@192.0.2.4>'], [supported, ['Path', path]])
  assert.equal(response.status, 200)
  assert.deepEqual(response.headers('Path'), ['<sip:p3.examplehome.com;lr>', '<sip:p1.examplevisited.com;lr>'])
})

test('§5.3: a Path without support of the client gets 420 with Unsupported: path, as is recommended', () => {
  const core = new Core()
  const response = core.register('alice', ['<sip:alice@192.0.2.4>'], [['Path', path]])
  assert.equal(response.status, 420)
  assert.equal(response.header('Unsupported'), 'path')
})

test('§5.3: policy may accept a Path that the client does not know of', () => {
  const core = new Core({ 'registrar.pathMustBeSupported': false })
  assert.equal(core.register('alice', ['<sip:alice@192.0.2.4>'], [['Path', path]]).status, 200)
})

test('SIP-02: a Path value without lr gets 400', () => {
  const response = new Core().register('alice', ['<sip:alice@192.0.2.4>'], [supported, ['Path', '<sip:p1.example>']])
  assert.equal(response.status, 400)
})

test('a Path longer than the limit gets 400', () => {
  const long = Array.from({ length: 9 }, (_, at) => `<sip:p${at}.example;lr>`).join(', ')
  assert.equal(new Core().register('alice', ['<sip:alice@192.0.2.4>'], [supported, ['Path', long]]).status, 400)
})

test('§5.4: the home proxy copies the path into Route, ahead of all else, and does not use a flow of its own', () => {
  const core = new Core()
  core.register('bob', ['<sip:bob@192.0.2.4>'], [supported, ['Path', path]], { transport: 'tcp' })
  const outputs = core.request('proxy', core.received('MESSAGE', 'sip:bob@box.example'))
  const [sent] = sentOf(outputs)
  assert.equal(sent!.request.uri, 'sip:bob@192.0.2.4')
  assert.deepEqual(sent!.request.headers('Route'), ['<sip:p3.examplehome.com;lr>', '<sip:p1.examplevisited.com;lr>'])
  assert.equal(answerOf([{ kind: 'respond', transaction: '', response: core.register('bob', []) }]).status, 200)
})
