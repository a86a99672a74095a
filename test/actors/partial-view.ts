/** A watcher's own copy of a presence document, kept up to date by partial notifications (RFC 5263 §4.5). */

import { applyOperations, canonical, type Element, isElement, readDocument } from './xml-patcher.ts'

const namespace = 'urn:ietf:params:xml:ns:pidf-diff'

export class PartialView {
  /** The document as its root `presence` would have it. */
  document: Element | undefined
  version: number | undefined
  /** The last document received. */
  last: 'pidf-full' | 'pidf-diff' | 'pidf' | undefined
  /** True when the watcher has to ask for everything: a NOTIFY was lost, or did not apply. */
  needsFull = false
  readonly faults: string[] = []

  /** Takes the body of a NOTIFY. */
  receive(contentType: string | undefined, body: string): void {
    if (contentType === undefined) return
    const root = readDocument(body)
    if (contentType === 'application/pidf+xml') {
      // The counter stays (RFC 5263 §4.5).
      this.document = root
      this.last = 'pidf'
      return
    }
    const [prefix, name] = root.name.includes(':') ? root.name.split(':') : ['', root.name]
    if (root.attributes.get(prefix === '' ? 'xmlns' : `xmlns:${prefix}`) !== namespace) {
      this.faults.push(`not a partial presence document: ${root.name}`)
      return
    }
    const version = Number(root.attributes.get('version'))
    if (!(version > (this.version ?? 0))) {
      this.faults.push(`version ${version} after ${this.version}`)
      return
    }
    if (name === 'pidf-full') this.#full(root, prefix!)
    else this.#diff(root, version)
    this.version = version
    this.last = name as 'pidf-full' | 'pidf-diff'
  }

  #full(root: Element, prefix: string): void {
    const attributes = new Map(root.attributes)
    attributes.delete('version')
    attributes.delete(`xmlns:${prefix}`)
    this.document = { ...root, name: this.#presenceName(root), attributes }
    this.needsFull = false
  }

  #presenceName(root: Element): string {
    for (const [name, value] of root.attributes) {
      if (value === 'urn:ietf:params:xml:ns:pidf') return name === 'xmlns' ? 'presence' : `${name.slice(6)}:presence`
    }
    return 'presence'
  }

  #diff(root: Element, version: number): void {
    if (this.document === undefined) this.faults.push('a change of nothing')
    else if (version !== (this.version ?? 0) + 1) this.needsFull = true
    else if (!this.needsFull) {
      try {
        applyOperations(this.document, root)
      } catch (error) {
        this.faults.push(`a patch that does not apply: ${String(error)}`)
        this.needsFull = true
      }
    }
  }

  /** Whether any tuple is open, and the notes of tuples, as `Notification` has them. */
  get presence(): 'open' | 'closed' {
    const basics = elementsNamed(this.document, 'basic').map(textOf)
    return basics.includes('open') ? 'open' : 'closed'
  }

  get notes(): string[] {
    return elementsNamed(this.document, 'note').map(textOf)
  }

  /** Canonical, to be compared with `canonicalPresence` of what is true. */
  get canonical(): string | undefined {
    return this.document && canonical(this.document)
  }
}

function elementsNamed(element: Element | undefined, name: string): Element[] {
  if (element === undefined) return []
  const inner = element.children.filter(isElement).flatMap(child => elementsNamed(child, name))
  return element.name.replace(/^.*:/, '') === name ? [element, ...inner] : inner
}

function textOf({ children }: Element): string {
  return children.map(node => ('text' in node ? node.text : '')).join('')
}

export function canonicalPresence(document: string): string {
  return canonical(readDocument(document))
}
