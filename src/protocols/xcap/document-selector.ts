/** XCAP URIs: which document of which application usage and user is meant (RFC 4825 §6.1, §6.2). */

import { notFound } from '../http/errors.ts'
import { percentDecoded } from './node-selector.ts'

export interface XcapUri {
  readonly auid: string
  readonly tree: 'users' | 'global'
  /** Decoded, as the client wrote it; empty in the global tree. */
  readonly xui: string
  /** Below the home directory or the global tree, decoded, separated by `/`. */
  readonly path: string
  /** Path of the document as written, the root's included: what URIs in answers begin with. */
  readonly document: string
  /** Path of the home directory or the global tree as written, with a slash at its end. */
  readonly home: string
  /** What follows `~~/`, percent-encoded; undefined when the document itself is meant. */
  readonly node: string | undefined
  /** Without its question mark, percent-encoded. */
  readonly query: string
}

/** Segments of a document path below the home directory; more is answered 404. */
const maximumSegments = 4
/** Characters of one segment; more is answered 404. */
const maximumSegment = 255

/**
 * Reads the target of a request below `root`, the path of the XCAP root without a slash at its end. Throws 404 when it is not
 * below the root, or names no document; 400 when it is not percent-encoded UTF-8.
 */
export function parseXcapUri(target: string, root: string): XcapUri {
  const path = originForm(target)
  if (!path.startsWith(`${root}/`)) throw notFound(`XCAP documents are below ${root}/`)
  const mark = path.indexOf('?')
  const written = path.slice(root.length + 1, mark === -1 ? undefined : mark)
  const segments = written.split('/')
  const separator = segments.findIndex(isSeparator)
  const selector = separator === -1 ? segments : segments.slice(0, separator)
  const [auid = '', tree, ...rest] = selector.map(decodedSegment)
  if (tree !== 'users' && tree !== 'global') throw notFound('Behind the application usage comes users or global')
  const xui = tree === 'users' ? (rest.shift() ?? '') : ''
  if (rest.length === 0 || rest.length > maximumSegments || rest.some(segment => segment.includes('/')))
    throw notFound('The URI names no document')
  return {
    auid,
    tree,
    xui,
    path: rest.join('/'),
    document: `${root}/${selector.join('/')}`,
    home: `${root}/${selector.slice(0, tree === 'users' ? 3 : 2).join('/')}/`,
    node: separator === -1 ? undefined : segments.slice(separator + 1).join('/'),
    query: mark === -1 ? '' : path.slice(mark + 1),
  }
}

/** Path and query of a request target, whatever authority stands before them (RFC 9112 §3.2.2). */
export function originForm(target: string): string {
  const scheme = /^https?:\/\/[^/?]*/i.exec(target)
  return scheme === null ? target : target.slice(scheme[0].length)
}

/** One segment as a path carries it (RFC 3986 §3.3): what may stand in a segment stays as it is. */
export function pathSegment(text: string): string {
  return encodeURIComponent(text).replace(/%(?:3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent)
}

/** The segments of a path without its query, decoded as far as they can be. */
export function segmentsOf(path: string): string[] {
  const mark = path.indexOf('?')
  return (mark === -1 ? path : path.slice(0, mark)).split('/').map(segment => segment.replace(/%2e/gi, '.'))
}

/** `~~`, in whatever spelling (RFC 4825 §6). */
function isSeparator(segment: string): boolean {
  return segment === '~~' || (segment.length <= 6 && /^(?:~|%7e){2}$/i.test(segment))
}

function decodedSegment(segment: string): string {
  const text = percentDecoded(segment)
  if (text === '' || text === '.' || text === '..' || text.length > maximumSegment || /[\x00-\x1f\x7f]/.test(text))
    throw notFound('The URI names no document')
  return text
}
