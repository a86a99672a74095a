/**
 * Application usage `org.openmobilealliance.pres-content` (OMA Presence Content XDM 1.0 §5.1.2): status icons. What a document
 * holds is an object of the Content Server too, below the same directory (DEC-09), and is read by the same watchers (XDM-63).
 */

import { presenceContentGrammar } from '../../../documents/grammar/presence-content.ts'
import { childElement, trimmedText, type XmlElement } from '../../../documents/xml/tree.ts'
import { constraintFailure } from '../../../protocols/xcap/errors.ts'
import { isOfType, mediaKind, unfoldsTooMuch } from '../../content-server/media-type.ts'
import { deleteObject, putObject } from '../../content-server/objects.ts'
import { iconDirectory } from '../../content-server/uri.ts'
import type { ApplicationUsage } from '../application-usage.ts'

const namespace = 'urn:oma:xml:prs:pres-content'
/** GSMA RCS 1 §4.8.1 (CS-20). */
const imageTypes = ['image/gif', 'image/jpeg', 'image/png']

export const presContent: ApplicationUsage = {
  auid: 'org.openmobilealliance.pres-content',
  contentType: 'application/vnd.oma.pres-content+xml',
  defaultNamespace: namespace,
  grammar: presenceContentGrammar,
  directory: iconDirectory,
  readers: 'watchers',
  constrain(root, { turn }) {
    const { type, bytes } = imageOf(root)
    const data = childElement(root, namespace, 'data')
    if (!imageTypes.includes(type)) throw constraintFailure(`mime-type is ${imageTypes.join(', ')}`, root)
    const kind = mediaKind(bytes)
    if (!isOfType(type, kind)) throw constraintFailure(`data is no ${type}`, data)
    const excess = unfoldsTooMuch(kind!)
    if (excess !== undefined) throw constraintFailure(excess, data)
    const { objectOctets } = turn.settings.content
    if (bytes.length > objectOctets) throw constraintFailure(`data has at most ${objectOctets} octets`, data)
  },
  changed({ xui, path }, _previous, next, db) {
    const address = { owner: xui, name: path }
    if (next === undefined) deleteObject(db, address)
    else putObject(db, address, imageOf(next))
  },
}

/** Throws 409 when `data` is not in base64 (RFC 4648 §4), which it is whether or not `encoding` says so. */
function imageOf(root: XmlElement): { readonly type: string; readonly bytes: Uint8Array } {
  const encoding = childElement(root, namespace, 'encoding')
  if (encoding !== undefined && trimmedText(encoding)?.toLowerCase() !== 'base64')
    throw constraintFailure('encoding is base64', encoding)
  const data = childElement(root, namespace, 'data')
  const text = (trimmedText(data) ?? '').replace(/\s/g, '')
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw constraintFailure('data is not base64', data)
  const bytes = Buffer.from(text, 'base64')
  const type = trimmedText(childElement(root, namespace, 'mime-type')) ?? mediaKind(bytes)?.type ?? ''
  return { type: type.toLowerCase(), bytes }
}
