/**
 * Writes trees as XML 1.0 in UTF-8. An element that is as it was read is copied from its source, to the octet; where it
 * comes to stand in another document, it gets the namespace declarations it had around it.
 */

import { escapeAttribute, escapeText } from './escape.ts'
import { NamespaceScope, type XmlElement, type XmlNode } from './tree.ts'

export const xmlDeclaration = '<?xml version="1.0" encoding="UTF-8"?>\n'

/** A whole document: XML declaration, root element, newline. */
export function serializeXml(root: XmlElement): Buffer {
  return Buffer.from(`${xmlDeclaration}${writeElement(root)}\n`, 'utf8')
}

/**
 * The text of an element where `outer` is in force. Every prefix that was bound for the element, used or not, is bound to
 * the same namespace again, since names may also stand in values (`xsi:type`).
 */
export function writeElement(element: XmlElement, outer: NamespaceScope = NamespaceScope.none): string {
  const { source } = element
  if (source === undefined) return writeBuilt(element, outer)
  const { text, start, end } = source
  let declarations = ''
  for (const [prefix, namespace] of missingBindings(element, outer)) {
    // Those of its own stand in the source.
    if (!element.declarations.has(prefix)) declarations += declarationText(prefix, namespace)
  }
  if (declarations === '') return text.slice(start, end)
  const nameEnd = start + 1 + qualifiedName(element).length
  return text.slice(start, nameEnd) + declarations + text.slice(nameEnd, end)
}

/** The text of one node of an element at which `scope` is in force. */
export function writeNode(node: XmlNode, scope: NamespaceScope): string {
  switch (node.kind) {
    case 'element':
      return writeElement(node, scope)
    case 'text':
      return escapeText(node.value)
    case 'cdata':
      return `<![CDATA[${node.value}]]>`
    case 'comment':
      return `<!--${node.value}-->`
    case 'instruction':
      return `<?${node.target}${node.value === '' ? '' : ' '}${node.value}?>`
  }
}

/** ` xmlns:prefix="namespace"`, to stand in a start tag. */
export function declarationText(prefix: string, namespace: string): string {
  return ` xmlns${prefix === '' ? '' : ':'}${prefix}="${escapeAttribute(namespace)}"`
}

function writeBuilt(element: XmlElement, outer: NamespaceScope): string {
  const missing = new Map(missingBindings(element, outer))
  const scope = missing.size === 0 ? outer : new NamespaceScope(missing, outer)
  const name = qualifiedName(element)
  let text = `<${name}`
  for (const [prefix, namespace] of missing) text += declarationText(prefix, namespace)
  for (const attribute of element.attributes) {
    text += ` ${qualifiedName(attribute)}="${escapeAttribute(attribute.value)}"`
  }
  if (element.children.length === 0) return `${text}/>`
  text += '>'
  for (const node of element.children) text += writeNode(node, scope)
  return `${text}</${name}>`
}

function* missingBindings(
  element: XmlElement,
  outer: NamespaceScope,
): Generator<readonly [prefix: string, namespace: string]> {
  if (element.scope === outer) return
  for (const binding of element.scope.bindings()) {
    if (outer.lookup(binding[0]) !== binding[1] && binding[0] !== 'xml') yield binding
  }
  // `xmlns=""` only where it makes a difference.
  if (
    outer.lookup('') !== '' &&
    element.scope.lookup('') === '' &&
    !element.scope.has('') &&
    usesNoNamespace(element)
  ) {
    yield ['', '']
  }
}

function usesNoNamespace(element: XmlElement): boolean {
  if (element.prefix === '' && element.namespace === '') return true
  return element.children.some(node => node.kind === 'element' && usesNoNamespace(node))
}

function qualifiedName({ prefix, name }: { readonly prefix: string; readonly name: string }): string {
  return prefix === '' ? name : `${prefix}:${name}`
}
