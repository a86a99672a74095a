/** Reading typed values out of elements; what is missing or wrong is an XmlError at that element. */

import { XmlError } from './errors.ts'
import { byteOffset } from './scan.ts'
import { attributeValue, trimXml, type XmlElement } from './tree.ts'

/** Throws XmlError when `element` is not the one of that name. */
export function requireRoot(element: XmlElement, namespace: string, name: string): void {
  if (element.name !== name || element.namespace !== namespace) {
    throw errorAt(element, `the root element is not ${name} of ${namespace}`)
  }
}

/** The value of a mandatory attribute. Throws XmlError. */
export function required(element: XmlElement, name: string): string {
  const value = attributeValue(element, name)
  if (value === undefined) throw errorAt(element, `${element.name} has no ${name}`)
  return value
}

/** The value of a mandatory attribute that takes one of `values`. Throws XmlError. */
export function requiredOneOf<T extends string>(element: XmlElement, name: string, values: readonly T[]): T {
  const value = trimXml(required(element, name)) as T
  if (!values.includes(value)) throw errorAt(element, `${name} of ${element.name} is not one of ${values.join(', ')}`)
  return value
}

/** The value of an optional attribute that is a whole number. Throws XmlError when it is none. */
export function readWhole(element: XmlElement, name: string): number | undefined {
  const value = attributeValue(element, name)
  if (value === undefined) return undefined
  if (!/^\s*\+?[0-9]{1,15}\s*$/.test(value)) throw errorAt(element, `${name} of ${element.name} is not a whole number`)
  return Number(value)
}

/** Attribute `version` of watcherinfo and reginfo: at most 32 bits (RFC 3858 §3, RFC 3680 §5.1). Throws XmlError. */
export function readVersion(element: XmlElement): number {
  required(element, 'version')
  const version = readWhole(element, 'version')!
  if (version > 0xffffffff) throw errorAt(element, 'version has more than 32 bits')
  return version
}

/** Attribute `state` of watcherinfo and reginfo. Throws XmlError. */
export function readState(element: XmlElement): 'full' | 'partial' {
  return requiredOneOf(element, 'state', ['full', 'partial'] as const)
}

/** An error at the start tag of an element that was read. */
export function errorAt(element: XmlElement, why: string): XmlError {
  if (element.source === undefined) return new XmlError(why, 1, 1, 0)
  const { text, start } = element.source
  const before = text.slice(0, start)
  const lineStart = before.lastIndexOf('\n') + 1
  return new XmlError(why, before.split('\n').length, start - lineStart + 1, byteOffset(text, start))
}
