/** Two documents as they are compared for a patch: nodes as XPath 1.0 §5 sees them, each with a text that tells it exactly. */

import { trimXml, type XmlAttribute, type XmlElement } from './tree.ts'

export interface DiffElement {
  readonly kind: 'element'
  readonly origin: XmlElement
  readonly children: readonly DiffNode[]
  readonly exact: string
  /** Elements of the same key are the same one, changed: name, prefix and, where there is one, `id`. */
  readonly key: string
  readonly id: string | undefined
}

export interface DiffText {
  readonly kind: 'text'
  readonly value: string
  readonly isWhite: boolean
  readonly exact: string
}

export interface DiffLeaf {
  readonly kind: 'comment' | 'instruction'
  /** As it is written. */
  readonly exact: string
}

export type DiffNode = DiffElement | DiffText | DiffLeaf

export function diffElement(origin: XmlElement): DiffElement {
  const children = diffChildren(origin)
  const name = `${origin.prefix}:${origin.name} ${origin.namespace}`
  let exact = `<${name} ${declarationsText(origin)} ${attributesText(origin.attributes)}>`
  for (const child of children) exact += child.exact
  const id = origin.attributes.find(attribute => attribute.name === 'id' && attribute.prefix === '')?.value
  return { kind: 'element', origin, children, exact: `${exact}</>`, key: id === undefined ? name : `${name} ${id}`, id }
}

function diffChildren({ children }: XmlElement): DiffNode[] {
  const nodes: DiffNode[] = []
  let text = ''
  const flush = () => {
    if (text !== '') {
      nodes.push({ kind: 'text', value: text, isWhite: trimXml(text) === '', exact: `"${JSON.stringify(text)}` })
    }
    text = ''
  }
  for (const node of children) {
    if (node.kind === 'text' || node.kind === 'cdata') {
      text += node.value
      continue
    }
    flush()
    if (node.kind === 'element') nodes.push(diffElement(node))
    else if (node.kind !== 'instruction') nodes.push({ kind: 'comment', exact: `<!--${node.value}-->` })
    else {
      const value = node.value === '' ? '' : ` ${node.value}`
      nodes.push({ kind: 'instruction', exact: `<?${node.target}${value}?>` })
    }
  }
  flush()
  return nodes
}

/** The declarations written on an element, in an order of their own. */
export function declarationsText({ declarations }: XmlElement): string {
  if (declarations.size === 0) return ''
  return JSON.stringify([...declarations].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function attributesText(attributes: readonly XmlAttribute[]): string {
  if (attributes.length === 0) return ''
  const texts = attributes.map(({ prefix, name, namespace, value }) => JSON.stringify([prefix, name, namespace, value]))
  return texts.length === 1 ? texts[0]! : texts.sort().join()
}

export type Pair = readonly [a: number, b: number]

/**
 * Which nodes of one list stay, perhaps changed, as which of another: pairs of indices, both ascending. The rest of the first
 * list goes, the rest of the second comes. Undefined when the lists are long and have nothing in common to hold on to.
 */
export function alignment(a: readonly DiffNode[], b: readonly DiffNode[]): readonly Pair[] | undefined {
  const pairs: Pair[] = []
  return align(a, b, 0, a.length, 0, b.length, pairs) ? pairs : undefined
}

/** Larger tables of comparisons are split first, and given up when that is not possible. */
const splitFrom = 1_024
const giveUpFrom = 65_536

function align(
  a: readonly DiffNode[],
  b: readonly DiffNode[],
  fromA: number,
  toA: number,
  fromB: number,
  toB: number,
  pairs: Pair[],
): boolean {
  let [startA, startB, endA, endB] = [fromA, fromB, toA, toB]
  while (startA < endA && startB < endB && a[startA]!.exact === b[startB]!.exact) pairs.push([startA++, startB++])
  while (startA < endA && startB < endB && a[endA - 1]!.exact === b[endB - 1]!.exact) {
    endA--
    endB--
  }
  const size = (endA - startA) * (endB - startB)
  if (size > 0) {
    const anchors = size > splitFrom ? commonAnchors(a, b, startA, endA, startB, endB) : []
    if (anchors.length === 0 && size > giveUpFrom) return false
    if (anchors.length === 0) bestPairs(a, b, startA, endA, startB, endB, pairs)
    else {
      let [lastA, lastB] = [startA, startB]
      for (const [i, j] of [...anchors, [endA, endB] as const]) {
        if (!align(a, b, lastA, i, lastB, j, pairs)) return false
        if (i < endA) pairs.push([i, j])
        ;[lastA, lastB] = [i + 1, j + 1]
      }
    }
  }
  for (let i = 0; i < toA - endA; i++) pairs.push([endA + i, endB + i])
  return true
}

/** Nodes that are in each list exactly once and the same, as many as are in the same order in both. */
function commonAnchors(
  a: readonly DiffNode[],
  b: readonly DiffNode[],
  startA: number,
  endA: number,
  startB: number,
  endB: number,
): Pair[] {
  const once = (nodes: readonly DiffNode[], start: number, end: number) => {
    const found = new Map<string, number>()
    for (let i = start; i < end; i++) {
      const { exact, kind } = nodes[i]!
      if (kind !== 'text') found.set(exact, found.has(exact) ? -1 : i)
    }
    return found
  }
  const inB = once(b, startB, endB)
  const common: Pair[] = []
  for (const [exact, i] of once(a, startA, endA)) {
    const j = inB.get(exact)
    if (i !== -1 && j !== undefined && j !== -1) common.push([i, j])
  }
  return longestAscending(common)
}

/** The longest run of pairs, ascending in `a`, that ascends in `b` as well. */
function longestAscending(pairs: readonly Pair[]): Pair[] {
  /** For each length the pair that ends the best run of it, and before each pair the one it follows. */
  const ends: number[] = []
  const before: number[] = []
  for (const [index, [, j]] of pairs.entries()) {
    let [low, high] = [0, ends.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (pairs[ends[middle]!]![1] < j) low = middle + 1
      else high = middle
    }
    before[index] = low === 0 ? -1 : ends[low - 1]!
    ends[low] = index
  }
  const run: Pair[] = []
  for (let index = ends.at(-1) ?? -1; index !== -1; index = before[index]!) run.push(pairs[index]!)
  return run.reverse()
}

/** The pairs that keep most, by dynamic programming. */
function bestPairs(
  a: readonly DiffNode[],
  b: readonly DiffNode[],
  startA: number,
  endA: number,
  startB: number,
  endB: number,
  pairs: Pair[],
): void {
  const width = endB - startB + 1
  const best = new Float64Array((endA - startA + 1) * width)
  for (let i = endA - startA - 1; i >= 0; i--) {
    for (let j = width - 2; j >= 0; j--) {
      const kept = likeness(a[startA + i]!, b[startB + j]!)
      const skip = Math.max(best[(i + 1) * width + j]!, best[i * width + j + 1]!)
      best[i * width + j] = kept === 0 ? skip : Math.max(skip, kept + best[(i + 1) * width + j + 1]!)
    }
  }
  for (let i = 0, j = 0; i < endA - startA && j < width - 1; ) {
    const value = best[i * width + j]!
    if (value === best[(i + 1) * width + j]) i++
    else if (value === best[i * width + j + 1]) j++
    else pairs.push([startA + i++, startB + j++])
  }
}

/** How much is kept when one node becomes the other; 0: they have nothing to do with each other. */
function likeness(a: DiffNode, b: DiffNode): number {
  if (a.kind !== b.kind) return 0
  if (a.exact === b.exact) return a.kind === 'text' ? 1 + a.value.length : 16 + a.exact.length
  if (a.kind === 'text') return a.isWhite || (b as DiffText).isWhite ? 0 : 1
  if (a.kind !== 'element' || a.key !== (b as DiffElement).key) return 0
  return 8 + Math.min(a.exact.length, b.exact.length) / 4
}
