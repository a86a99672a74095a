/** What ends by itself: elements with `until` (RFC 4480 §3.1, RFC 4481 §3, OMA presence data extensions). */

import type { Instant } from '../turn.ts'
import { parseDateTime } from './date-time.ts'
import { pidfNamespace } from './pidf.ts'
import { hasUnknownMandatory } from './pidf-parts.ts'
import { isUntil } from './timed-status.ts'
import { trimXml, withChildren, type XmlElement, type XmlNode } from './xml/tree.ts'

export type Remaining = {
  /** The same object when nothing has ended; undefined when the element itself has. */
  readonly element: XmlElement | undefined
  /** When the next of the remaining elements ends; 0 when none will. */
  readonly until: Instant
}

/**
 * Takes out of an element what has ended. An element with something in it that has to be understood and is not
 * (RFC 3863 §4.2.3) is not processed: it stays.
 */
export function withoutEnded(element: XmlElement, now: Instant): Remaining {
  const ends = endOf(element)
  if (ends !== 0 && ends <= now) return { element: undefined, until: 0 }
  let until = ends
  let children: XmlNode[] | undefined
  for (const [index, node] of element.children.entries()) {
    if (node.kind !== 'element') {
      children?.push(node)
      continue
    }
    const remaining = withoutEnded(node, now)
    if (remaining.until !== 0 && (until === 0 || remaining.until < until)) until = remaining.until
    if (remaining.element !== node) children ??= element.children.slice(0, index)
    if (remaining.element !== undefined) children?.push(remaining.element)
  }
  return { element: children === undefined ? element : withChildren(element, children), until }
}

/** When an element ends by itself; 0: never, as far as we understand it. */
function endOf(element: XmlElement): Instant {
  if (element.namespace === pidfNamespace) return 0
  let end = 0
  for (const { name, namespace, value } of element.attributes) {
    if (name !== 'until' || !isUntil(element.namespace, namespace)) continue
    const until = parseDateTime(trimXml(value)) ?? 0
    if (until !== 0 && (end === 0 || until < end)) end = until
  }
  return end !== 0 && hasUnknownMandatory(element) ? 0 : end
}
