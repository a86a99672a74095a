/** What can go wrong with a patch (RFC 5261 §5.1). */

import type { XmlElement } from './tree.ts'

/** The error conditions that RFC 5261 names. */
export type PatchCondition =
  | 'invalid-attribute-value'
  | 'invalid-character-set'
  | 'invalid-diff-format'
  | 'invalid-entity-declaration'
  | 'invalid-namespace-prefix'
  | 'invalid-namespace-uri'
  | 'invalid-node-types'
  | 'invalid-patch-directive'
  | 'invalid-root-element-operation'
  | 'invalid-xml-prolog-operation'
  | 'invalid-whitespace-directive'
  | 'unlocated-node'
  | 'unsupported-id-function'
  | 'unsupported-xml-id'

/** A patch that cannot be applied. */
export class PatchError extends Error {
  readonly condition: PatchCondition
  /** For a human reader; what a document says is quoted in it as it stands there. */
  readonly phrase: string
  /** The patch operation element at fault; undefined when the diff document as a whole is. */
  readonly operation: XmlElement | undefined

  constructor(condition: PatchCondition, phrase: string, operation?: XmlElement) {
    super(`${condition}: ${phrase}`)
    this.name = 'PatchError'
    this.condition = condition
    this.phrase = phrase
    this.operation = operation
  }
}
