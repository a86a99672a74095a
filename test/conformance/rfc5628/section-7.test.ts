/** RFC 5628: GRUUs in registration information. */

import { strict as assert } from 'node:assert'
import { describe, it } from 'node:test'
import { formatReginfo, parseReginfo } from '../../../src/documents/reginfo.ts'

const section7 = `<?xml version="1.0"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo"
    xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"
    version="0" state="full">
  <registration aor="sip:user@example.com" id="as9"
       state="active">
    <contact id="76" state="active" event="registered"
       duration-registered="36001" expires="3599"
       callid="1j9FpLxk3uxtm8tn@192.0.2.1" cseq="54321"
       q="0.8">
         <uri>sip:user@192.0.2.1</uri>
         <unknown-param name="+sip.instance">"&lt;urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6&gt;"</unknown-param>
         <gr:pub-gruu uri="sip:user@example.com;gr=hha9s8d-999a"/>
         <gr:temp-gruu uri="sip:8ffkas08af7fasklzi9@example.com;gr" first-cseq="54301"/>
    </contact>
  </registration>
</reginfo>`

describe('RFC 5628 §5, §7: GRUUs of a contact', () => {
  const [contact] = parseReginfo(Buffer.from(section7)).registrations[0]!.contacts

  it('the sample document is read as it says', () => {
    assert.equal(contact!.publicGruu, 'sip:user@example.com;gr=hha9s8d-999a')
    assert.deepEqual(contact!.temporaryGruu, { uri: 'sip:8ffkas08af7fasklzi9@example.com;gr', firstCseq: 54301 })
    assert.deepEqual(contact!.unknownParams, [['+sip.instance', '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"']])
    assert.deepEqual(
      [contact!.callId, contact!.cseq, contact!.expiresSeconds],
      ['1j9FpLxk3uxtm8tn@192.0.2.1', 54321, 3599],
    )
  })

  it('and written again it is read the same', () => {
    const information = parseReginfo(Buffer.from(section7))
    assert.deepEqual(parseReginfo(formatReginfo(information)), information)
  })

  it('§9: a temporary GRUU has the CSeq of the oldest one that is valid', () => {
    assert.throws(
      () => parseReginfo(Buffer.from(section7.replace(' first-cseq="54301"', ''))),
      /temp-gruu has no first-cseq/,
    )
  })
})
