/**
 * Names of top-level lists that mean something to all clients (OMA Shared XDM 1.1 §5.1.8, OMNA URI-List Usage Names; XDM-42,
 * XDM-43): `oma_` and `ext_` names are reserved and written in one way only, and nobody is blocked and granted by one list.
 *
 * COMPAT(OMA clients): guidelines have the reserved lists made of references alone. Clients are known that keep entries in them,
 * so that is not asked for; nor is anything of names such as `rcs_revokedcontacts`, which RCS has given itself.
 */

import { resourceListsNamespace } from '../../../documents/resource-lists.ts'
import { attributeValue, childElements, type XmlElement } from '../../../documents/xml/tree.ts'
import { limits } from '../../../limits.ts'
import { HttpRefusal } from '../../../protocols/http/errors.ts'
import { parseXcapUri } from '../../../protocols/xcap/document-selector.ts'
import { constraintFailure, localConstraintFailure } from '../../../protocols/xcap/errors.ts'
import { parseNodeSelector } from '../../../protocols/xcap/node-selector.ts'
import { selectElement, selectorOf } from '../../../protocols/xcap/select.ts'
import type { ConstraintContext } from '../application-usage.ts'

/** Where the document is. */
type Where = Pick<ConstraintContext, 'address' | 'userOf'>

const reserved = /^(?:oma|ext)_/i
const label = /^(?:oma_[a-z]+|ext_[a-z0-9-]+(?:\.[a-z0-9-]+)+_[a-z]+)$/
const granted = 'oma_grantedcontacts'
const blocked = 'oma_blockedcontacts'

/** Throws 409 for a reserved name that is written otherwise, and for lists of blocked and granted contacts that meet. */
export function checkListNames(root: XmlElement, context: Where): void {
  const lists = new Map<string, XmlElement>()
  for (const list of childElements(root, resourceListsNamespace, 'list')) {
    const name = attributeValue(list, 'name')
    if (name === undefined) continue
    if (reserved.test(name) && !label.test(name)) throw badLabel(root, list, name)
    lists.set(name, list)
  }
  const [some, others] = [lists.get(blocked), lists.get(granted)]
  if (some === undefined || others === undefined) return
  const reference = referenceTo(some, others, root, context) ?? referenceTo(others, some, root, context)
  if (reference !== undefined)
    throw constraintFailure(`${blocked} and ${granted} must not lead to each other`, reference)
}

function badLabel(root: XmlElement, list: XmlElement, name: string): Error {
  const form = /^oma/i.test(name) ? 'oma_ and letters' : 'ext_, a reversed domain, _ and letters'
  const lower = name.toLowerCase()
  const field = selectorOf(root, list, resourceListsNamespace, { namespace: '', name: 'name' })
  const value = label.test(lower) ? lower : lower.replace('_', '')
  return localConstraintFailure(`'${name}' is a reserved name: such names are ${form}, in lower case`, {
    alternatives: [{ field, value }],
  })
}

/**
 * The reference by which one list of the document leads to another, be it through others. Looked for as far as references are
 * followed at all: beyond that a list is one that cannot be had.
 */
function referenceTo(from: XmlElement, to: XmlElement, root: XmlElement, context: Where): XmlElement | undefined {
  const visited = new Set([from])
  let followed = 0
  for (const list of visited) {
    for (const external of externalsIn(list)) {
      if (++followed > limits.externalLists.references) return undefined
      const next = listAt(attributeValue(external, 'anchor') ?? '', root, context)
      if (next === to) return external
      // What is added to the set is visited as well.
      if (next !== undefined) visited.add(next)
    }
  }
  return undefined
}

function* externalsIn(list: XmlElement): Iterable<XmlElement> {
  for (const child of childElements(list, resourceListsNamespace)) {
    if (child.name === 'external') yield child
    else if (child.name === 'list') yield* externalsIn(child)
  }
}

/** The top-level list of this very document that an anchor leads to or into, whatever its root (XDM-41). */
function listAt(anchor: string, root: XmlElement, { address, userOf }: Where): XmlElement | undefined {
  const at = anchor.indexOf('/resource-lists/users/')
  if (at === -1) return undefined
  try {
    const { xui, path, node, query } = parseXcapUri(anchor.slice(at), '')
    if (node === undefined || path !== address.path || userOf(xui) !== address.xui) return undefined
    const { steps } = parseNodeSelector(node, query, resourceListsNamespace)
    return steps.length < 2 ? undefined : selectElement(root, steps.slice(0, 2))
  } catch (error) {
    if (error instanceof HttpRefusal) return undefined
    throw error
  }
}
