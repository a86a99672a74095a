/** Listens to a reader of XML and keeps what it is told. */

import type { XmlEvents, XmlReader, XmlTag } from '../../../../src/documents/xml/scan.ts'

export class Recorder {
  readonly events: unknown[] = []
  readonly #refuseAt: number | undefined

  /** `refuseAt`: the event at which the document is refused. */
  constructor(refuseAt?: number) {
    this.#refuseAt = refuseAt
  }

  readonly listen = (reader: XmlReader): XmlEvents => {
    const note = (...event: unknown[]) => {
      if (this.events.length === this.#refuseAt) reader.refuse('as the test wants it')
      this.events.push(event)
    }
    const texts = (kind: string) => (text: string, position: number) => note(kind, text, position)
    return {
      open: (tag, position) => note('open', shown(tag), reader.declaration(), position),
      close: (tag, position) => note('close', shown(tag), position),
      text: texts('text'),
      cdata: texts('cdata'),
      comment: texts('comment'),
      instruction: (target, body, position) => note('instruction', target, body, position),
    }
  }
}

function shown({ name, prefix, local, uri, attributes, ns, isSelfClosing }: XmlTag): unknown[] {
  const of = Object.entries(attributes).map(([key, attribute]) => [
    key,
    attribute.name,
    attribute.prefix,
    attribute.local,
    attribute.uri,
    attribute.value,
  ])
  return [name, prefix, local, uri, of, Object.entries(ns), isSelfClosing]
}
