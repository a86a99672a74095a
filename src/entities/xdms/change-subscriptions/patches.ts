/** What makes one version of a document into another, as patch operations (RFC 5261), where that can be said. */

import type { PatchText } from '../../../documents/xcap-diff.ts'
import { computePatch } from '../../../documents/xml/diff.ts'
import type { XmlElement } from '../../../documents/xml/tree.ts'
import type { ChangeRecord } from './records.ts'

/** Undefined also when what stands before or behind the root has changed, which operations cannot say (RFC 5875 §4.7). */
export function patchBetween(
  before: XmlElement,
  after: XmlElement,
): (PatchText & { readonly length: number }) | undefined {
  const [old, changed] = [before.source!, after.source!]
  if (old.text.slice(0, old.start) !== changed.text.slice(0, changed.start)) return undefined
  if (old.text.slice(old.end) !== changed.text.slice(changed.end)) return undefined
  return computePatch(before, after)
}

/** A patch as it is kept. */
export function keptPatch(patch: PatchText): NonNullable<ChangeRecord['patch']> {
  return { namespaces: Object.fromEntries(patch.namespaces), operations: patch.write(placeholder) }
}

export function readPatch({ namespaces, operations }: NonNullable<ChangeRecord['patch']>): PatchText {
  return {
    namespaces: new Map(Object.entries(namespaces)),
    write: prefix => operations.replaceAll(placeholder, prefix),
  }
}

/** Stands for the prefix that kept operations are written with: a character that is in no XML. */
const placeholder = '\x01'
