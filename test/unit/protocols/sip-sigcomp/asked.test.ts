import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mayAsk } from '../../../../src/protocols/sip-sigcomp/asked.ts'

describe('a quick look for who asks for compression', () => {
  const message = (header: string, body = '') => Buffer.from(`NOTIFY sip:a@b SIP/2.0\r\n${header}\r\n\r\n${body}`)

  it('finds it anywhere in the header, in whatever case', () => {
    assert.ok(mayAsk(Buffer.from('NOTIFY sip:a@b;comp=sigcomp SIP/2.0\r\n\r\n')))
    assert.ok(mayAsk(message('Via: SIP/2.0/UDP a;branch=z9hG4bK1;comp=SigComp')))
    assert.ok(mayAsk(message('Route: <sip:c;lr;comp=sigcomp>')))
  })

  it('finds nothing else, and does not look at the body', () => {
    assert.equal(mayAsk(message('Via: SIP/2.0/UDP a;branch=sig;comp=sigcom')), false)
    assert.equal(mayAsk(message('To: <sip:a@b>', 'comp=sigcomp')), false)
    assert.equal(mayAsk(Buffer.from('comp=sig')), false)
    assert.equal(mayAsk(Buffer.alloc(0)), false)
  })
})
