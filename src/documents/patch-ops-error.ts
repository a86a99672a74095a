/** Why a patch could not be applied, told to whoever sent it: `application/patch-ops-error+xml` (RFC 5261 §5.1, §9). */

import type { PatchError } from './xml/patch.ts'
import { newElement } from './xml/tree.ts'
import { serializeXml, writeElement } from './xml/write.ts'

export const patchOpsErrorType = 'application/patch-ops-error+xml'
export const patchOpsErrorNamespace = 'urn:ietf:params:xml:ns:patch-ops-error'

/** Conditions of a diff document as a whole, which name no operation. */
const ofTheWhole: ReadonlySet<string> = new Set(['invalid-character-set', 'invalid-diff-format'])

/** The document that says so, with the operation at fault in it; one longer than `maximumOctets` without its content. */
export function writePatchError(error: PatchError, maximumOctets = 1_024): Buffer {
  const { condition, operation } = error
  const at = ofTheWhole.has(condition) ? undefined : operation
  const isShort = at === undefined || Buffer.byteLength(writeElement(at)) <= maximumOctets
  const shown = at && (isShort ? at : { ...at, children: [], source: undefined })
  return serializeXml(
    newElement(patchOpsErrorNamespace, 'patch-ops-error', {}, [
      newElement(patchOpsErrorNamespace, condition, { phrase: error.phrase.slice(0, 200) }, shown ? [shown] : []),
    ]),
  )
}
