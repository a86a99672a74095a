/** Resource List Meta-Information (RFC 4662 §5): the state of the subscriptions that one to a list stands for. */

import { escapeAttribute, escapeText } from './xml/escape.ts'
import { defaultXmlLimits, parseXml, type XmlLimits } from './xml/parse.ts'
import { errorAt, readVersion, required, requiredOneOf, requireRoot } from './xml/read.ts'
import { attributeValue, childElements, textContent, trimXml, type XmlElement, xmlNamespace } from './xml/tree.ts'

export const rlmiNamespace = 'urn:ietf:params:xml:ns:rlmi'
export const rlmiContentType = 'application/rlmi+xml'

const instanceStates = ['active', 'pending', 'terminated'] as const

/** What somebody calls a list or a resource; `language` is a tag of RFC 3066 (§5.4). */
export type Name = { readonly text: string; readonly language?: string | undefined }

/** One notifier of a resource (§5.5). */
export type Instance = {
  /** Unique within the resource. */
  readonly id: string
  readonly state: (typeof instanceStates)[number]
  /** As in Subscription-State; there when `state` is `terminated`. */
  readonly reason?: string | undefined
  /** Content-ID of the part that has the state, without brackets; there when `state` is `active`. */
  readonly cid?: string | undefined
}

/** One member of a list; without instances while nothing is known of it (§4.5). */
export type Resource = {
  readonly uri: string
  readonly names: readonly Name[]
  readonly instances: readonly Instance[]
}

export type ResourceListInformation = {
  readonly uri: string
  /** From 0, one more for each document of a subscription; 32 bits (§5.2). */
  readonly version: number
  /** Whether every resource of the list is in it. */
  readonly fullState: boolean
  readonly names: readonly Name[]
  readonly resources: readonly Resource[]
}

/** A list whose resources are as `formatResource` has written them. */
type WrittenList = Omit<ResourceListInformation, 'resources'> & { readonly resources: readonly string[] }

/** The document, valid by the schema of §5.1; in UTF-8, so that no declaration needs to say so (XML §2.8), and in one line. */
export function formatRlmi({
  uri,
  version,
  fullState,
  names,
  resources,
}: ResourceListInformation | WrittenList): Buffer {
  let text = `<list xmlns="${rlmiNamespace}" uri="${escapeAttribute(uri)}" version="${version}" fullState="${fullState}">`
  for (const name of names) text += formatName(name)
  for (const resource of resources) text += typeof resource === 'string' ? resource : formatResource(resource)
  return Buffer.from(`${text}</list>`, 'utf8')
}

/** Reads a document; elements and attributes of other namespaces are ignored. Throws XmlError. */
export function parseRlmi(bytes: Uint8Array, limits: XmlLimits = defaultXmlLimits): ResourceListInformation {
  const root = parseXml(bytes, { limits, instructions: true })
  requireRoot(root, rlmiNamespace, 'list')
  return {
    uri: required(root, 'uri'),
    version: readVersion(root),
    fullState: readBoolean(root, 'fullState'),
    names: readNames(root),
    resources: childElements(root, rlmiNamespace, 'resource').map(resource => ({
      uri: required(resource, 'uri'),
      names: readNames(resource),
      instances: childElements(resource, rlmiNamespace, 'instance').map(instance => ({
        id: required(instance, 'id'),
        state: requiredOneOf(instance, 'state', instanceStates),
        reason: attributeValue(instance, 'reason'),
        cid: attributeValue(instance, 'cid'),
      })),
    })),
  }
}

/** What a resource takes in a document, octets. */
export function resourceOctets(resource: Resource): number {
  return Buffer.byteLength(formatResource(resource))
}

function formatName({ text, language }: Name): string {
  const tag = language === undefined ? '' : ` xml:lang="${escapeAttribute(language)}"`
  return `<name${tag}>${escapeText(text)}</name>`
}

/** One resource as it stands in a document. */
export function formatResource({ uri, names, instances }: Resource): string {
  let text = `<resource uri="${escapeAttribute(uri)}">`
  for (const name of names) text += formatName(name)
  for (const { id, state, reason, cid } of instances) {
    text += `<instance id="${escapeAttribute(id)}" state="${state}"`
    if (reason !== undefined) text += ` reason="${escapeAttribute(reason)}"`
    if (cid !== undefined) text += ` cid="${escapeAttribute(cid)}"`
    text += '/>'
  }
  return `${text}</resource>`
}

function readNames(parent: XmlElement): Name[] {
  return childElements(parent, rlmiNamespace, 'name').map(name => ({
    text: textContent(name),
    language: attributeValue(name, 'lang', xmlNamespace),
  }))
}

/** `xs:boolean`. */
function readBoolean(element: XmlElement, name: string): boolean {
  const value = trimXml(required(element, name))
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw errorAt(element, `${name} of ${element.name} is not true or false`)
}
