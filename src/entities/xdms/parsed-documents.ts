/**
 * Documents read lately, by entity-tag: a client that edits a list writes several times in a row, and each time the stored
 * document would be read anew. An entity-tag is never given to two documents, so nothing here can be out of date.
 */

import type { XmlElement } from '../../documents/xml/tree.ts'

export class ParsedDocuments {
  /** Octets of source text kept at most, the oldest being forgotten first; a tree takes about ten times its source. */
  readonly #octets: number
  readonly #roots = new Map<string, { readonly root: XmlElement; readonly octets: number }>()
  #kept = 0

  constructor(octets: number) {
    this.#octets = octets
  }

  /** The tree of the document with this entity-tag; `read` makes it when it is not here. */
  get(etag: string, octets: number, read: () => XmlElement): XmlElement {
    const known = this.#roots.get(etag)
    if (known !== undefined) return known.root
    const root = read()
    this.add(etag, octets, root)
    return root
  }

  /** The document with this entity-tag has been replaced or deleted: what is dead must not be kept from being collected. */
  forget(etag: string): void {
    const entry = this.#roots.get(etag)
    if (entry === undefined) return
    this.#roots.delete(etag)
    this.#kept -= entry.octets
  }

  add(etag: string, octets: number, root: XmlElement): void {
    if (octets > this.#octets) return
    this.#roots.set(etag, { root, octets })
    this.#kept += octets
    for (const [oldest, entry] of this.#roots) {
      if (this.#kept <= this.#octets) return
      this.#roots.delete(oldest)
      this.#kept -= entry.octets
    }
  }
}
