import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { contentLength, type Frame, StreamFraming } from '../../../../src/protocols/sip/stream-framing.ts'

const limits = { headBytes: 2000, bodyBytes: 5000 }
const message = (body = '', name = 'Content-Length') =>
  `MESSAGE sip:a@b SIP/2.0\r\nSubject: x\r\n${name}: ${Buffer.byteLength(body)}\r\n\r\n${body}`
const text = (frames: readonly Frame[]) =>
  frames.map(frame => (frame.kind === 'message' ? frame.bytes.toString() : frame.kind))
const push = (stream: string, framing = new StreamFraming(limits)) => text(framing.push(Buffer.from(stream)))

describe('RFC 3261 §18.3 framing', () => {
  it('cuts a stream by Content-Length, in full or compact form, folded or not, in any case', () => {
    const stream = ['Content-Length', 'l', 'L', 'CONTENT-LENGTH', 'content-length ', 'Content-Length:\r\n '].map(name =>
      message('body', name).replace(':\r\n : ', ':\r\n '),
    )
    assert.deepEqual(push(stream.join('')), stream)
  })

  it('gives the same messages however the stream is cut into pieces', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 40 })
    const bodies = fc.array(fc.string({ maxLength: 300 }), { maxLength: 6 })
    fc.assert(
      fc.property(bodies, pieces, (bodies, sizes) => {
        const messages = bodies.map(body => message(body))
        const stream = Buffer.from(`\r\n${messages.join('\r\n')}`)
        const framing = new StreamFraming(limits)
        const frames: string[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % sizes.length]!
          frames.push(...text(framing.push(Buffer.from(stream.subarray(at, at + size)))))
          at += size
        }
        assert.deepEqual(frames, messages)
        assert.equal(framing.isPartial, false)
      }),
    )
  })

  it('takes octet by octet in linear time', () => {
    const cost = (length: number) => {
      const stream = Buffer.from(message('x'.repeat(length)))
      const framing = new StreamFraming({ headBytes: 2000, bodyBytes: 1_000_000 })
      const before = process.cpuUsage()
      let frames = 0
      for (let at = 0; at < stream.length; at++) frames += framing.push(stream.subarray(at, at + 1)).length
      const { user, system } = process.cpuUsage(before)
      assert.equal(frames, 1)
      return user + system
    }
    cost(20_000)
    const small = Math.max(cost(20_000), 500)
    // Ten times the octets: quadratic work would cost a hundred times as much.
    assert.ok(cost(200_000) < 40 * small)
  })

  it('a header section of one octet at a time is bounded too', () => {
    const framing = new StreamFraming(limits)
    const frames: Frame[] = []
    for (let i = 0; i < 3000; i++) frames.push(...framing.push(Buffer.from('x')))
    assert.deepEqual(frames, [{ kind: 'lost', status: 513, why: 'header fields too long', head: undefined }])
  })
})

describe('streams that cannot be followed', () => {
  const lost = (stream: string) => {
    const framing = new StreamFraming(limits)
    const frame = framing.push(Buffer.from(stream)).at(-1)
    assert.equal(frame?.kind, 'lost')
    assert.deepEqual(framing.push(Buffer.from(message())), [], 'nothing is believed after it')
    return frame?.kind === 'lost' ? `${frame.status} ${frame.why}` : ''
  }

  it('"The Content-Length header field MUST be used with stream oriented transports"', () => {
    assert.equal(lost('MESSAGE sip:a@b SIP/2.0\r\nSubject: x\r\n\r\n'), '400 Content-Length missing')
  })

  it('malformed, twice and different, too large', () => {
    assert.equal(lost(message('').replace(': 0', ': -1')), '400 Content-Length malformed')
    assert.equal(lost(message('').replace(': 0', ': ')), '400 Content-Length malformed')
    assert.equal(lost(message('').replace(': 0', ': 0x10')), '400 Content-Length malformed')
    assert.equal(lost(message('').replace(': 0', ': 1\r\nl: 2')), '400 Content-Length given twice')
    assert.equal(lost(message('').replace(': 0', ': 5001')), '413 body too large')
    assert.equal(lost(message('').replace(': 0', ': 99999999999999999999999999')), '413 body too large')
    assert.equal(lost(`${message('ok')}${'x'.repeat(2001)}`), '513 header fields too long')
  })

  it('is not misled by other names', () => {
    const head = (name: string) => Buffer.from(`A b SIP/2.0\r\n${name}: 7\r\nContent-Length: 3\r\n\r\n`)
    for (const name of ['X-Content-Length', 'Content-Lengthy', 'Language', 'Content-Type', 'Lx']) {
      assert.equal(contentLength(head(name)), 3, name)
    }
  })
})
