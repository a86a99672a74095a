/** When two elements say the same: whatever their prefixes, the order of their attributes, white space and comments. */

import { trimXml, type XmlElement, xmlNamespace } from './tree.ts'

/** True when the elements have the same canonical text. */
export function equalElements(a: XmlElement, b: XmlElement): boolean {
  return a === b || canonicalText(a) === canonicalText(b)
}

/**
 * A text that is the same for equal elements and only for these: names with their namespaces, attributes sorted, text
 * trimmed, white space between elements left out unless `xml:space` says `preserve`. Made for comparing, not to be parsed.
 */
export function canonicalText(element: XmlElement, preserve = false): string {
  const space = element.attributes.find(attribute => attribute.name === 'space' && attribute.namespace === xmlNamespace)
  const kept = space === undefined ? preserve : space.value === 'preserve'
  const attributes = element.attributes.map(
    ({ namespace, name, value }) => token(namespace) + token(name) + token(value),
  )
  let canonical = `<${token(element.namespace)}${token(element.name)}${attributes.sort().join('')}>`
  let text = ''
  const flush = () => {
    const value = kept ? text : trimXml(text)
    if (value !== '') canonical += `"${token(value)}`
    text = ''
  }
  for (const node of element.children) {
    if (node.kind === 'text' || node.kind === 'cdata') text += node.value
    else if (node.kind === 'element') {
      flush()
      canonical += canonicalText(node, kept)
    }
  }
  flush()
  return `${canonical}/`
}

/** Preceded by its length, so that no text can pass for structure. */
function token(text: string): string {
  return `${text.length}:${text}`
}
