/**
 * An XML Document Management Server (OMA XDM; PRS-7, PRS-12, XDM-4): an XCAP server (RFC 4825) for the application usages it
 * is given. A write is one turn: document, derived documents and change notifications commit together.
 */

import { validate } from '../../documents/grammar/validate.ts'
import { XmlError } from '../../documents/xml/errors.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import { limits } from '../../limits.ts'
import { checkConditions } from '../../protocols/http/conditions.ts'
import {
  forbidden,
  insufficientStorage,
  methodNotAllowed,
  notFound,
  serviceUnavailable,
  unsupportedMediaType,
} from '../../protocols/http/errors.ts'
import { type HttpRequest, type HttpResponse, mediaType } from '../../protocols/http/message.ts'
import { requireWhole } from '../../protocols/http/range.ts'
import type { XcapUri } from '../../protocols/xcap/document-selector.ts'
import {
  deleteNode,
  type EditContext,
  type Edited,
  putAttribute,
  putElement,
  readDocument,
} from '../../protocols/xcap/edit.ts'
import {
  constraintFailure,
  localConstraintFailure,
  noParent,
  schemaValidationError,
} from '../../protocols/xcap/errors.ts'
import { type NodeSelector, parseNodeSelector } from '../../protocols/xcap/node-selector.ts'
import { selectedText } from '../../protocols/xcap/select.ts'
import type { Output, Transaction, Turn } from '../../turn.ts'
import type { ApplicationUsage, DerivedDocument } from './application-usage.ts'
import { shippedTemplate, templatePath } from './default-documents.ts'
import {
  type ChangeListener,
  type DocumentAddress,
  type DocumentChange,
  deleteDocument,
  documentAt,
  documentsOf,
  putDocument,
  type StoredDocument,
} from './documents.ts'

/** Who asks, as the Aggregation Proxy has established it. */
export interface Identity {
  /** Address-of-record. */
  readonly user: string
  /** Canonical URIs, any of which rules may mean (PS-76); none for nobody in particular. */
  readonly identities: readonly string[]
  /** May read and write everybody's documents and the global tree. */
  readonly isOperator: boolean
}

export interface XdmsOptions {
  /** The row of the routing table this server answers: `presence-xdms`, `rls-xdms`, `shared-xdms`. */
  readonly name: string
  readonly usages: readonly ApplicationUsage[]
  /** The user that an XUI means, in whatever form it is written; undefined when it can mean none. */
  userOf(xui: string): string | undefined
  isUser(turn: Turn, user: string): boolean
  /** Whether presence shows a watcher a reference to this document (XDM-63); without it, nobody. */
  isShown?(identities: readonly string[], address: DocumentAddress, turn: Turn): boolean
  /** How far the owner of a document lets somebody else write it; without it, not at all. `unavailable`: that cannot be told now. */
  mayWrite?(identities: readonly string[], address: DocumentAddress, turn: Turn): WriteCheck | undefined | 'unavailable'
  readonly listeners: readonly ChangeListener[]
}

/** Given a document before and after, what has changed that may not be changed; undefined when nothing has. */
export type WriteCheck = (before: XmlElement | undefined, after: XmlElement | undefined) => string | undefined

/** An answer, and what else the turn asks for. */
export interface Handled {
  readonly response: HttpResponse
  readonly outputs: readonly Output[]
}

/** A request that has been found to be for a document that can exist, and for somebody who may ask. */
interface Asked {
  readonly request: HttpRequest
  readonly usage: ApplicationUsage
  readonly uri: XcapUri
  readonly address: DocumentAddress
  readonly node: NodeSelector | undefined
  readonly turn: Turn
  /** What of a change goes too far, when the sender writes by the owner's leave. */
  readonly check?: WriteCheck | undefined
}

const elementType = 'application/xcap-el+xml'
const attributeType = 'application/xcap-att+xml'
const namespacesType = 'application/xcap-ns+xml'

export class Xdms {
  readonly name: string
  readonly usages: ReadonlyMap<string, ApplicationUsage>
  readonly #options: XdmsOptions

  constructor(options: XdmsOptions) {
    this.name = options.name
    this.#options = options
    this.usages = new Map(options.usages.map(usage => [usage.auid, usage]))
  }

  /**
   * Answers one request (RFC 4825 §8). Throws HttpRefusal, and then nothing has changed: 404, 403, 400, 405, 415, 412, 413
   * or 409 with its conflict report, in the order in which the RFC checks.
   */
  handle(request: HttpRequest, uri: XcapUri, identity: Identity, turn: Turn): Handled {
    const usage = this.usages.get(uri.auid)
    if (usage === undefined) throw notFound(`There is no application usage ${uri.auid}`)
    const xui = this.#homeOf(uri, usage, turn)
    const check = this.#delegated(request.method, xui, usage, uri, identity, turn)
    if (check === undefined && !this.#isShown(request.method, xui, usage, uri, identity, turn))
      authorize(request.method, xui, usage, identity)
    const node = uri.node === undefined ? undefined : parseNodeSelector(uri.node, uri.query, usage.defaultNamespace)
    const { method } = request
    if (usage.isReadOnly === true && method !== 'GET' && method !== 'HEAD') throw methodNotAllowed(['GET', 'HEAD'])
    const address = { auid: usage.viewOf ?? usage.auid, xui, path: documentPath(usage, uri, method) }
    const asked: Asked = { request, usage, uri, address, node, turn, check }
    switch (method) {
      case 'GET':
      case 'HEAD':
        return { response: this.#get(asked), outputs: [] }
      case 'PUT':
        requireSettable(node)
        return this.#put(asked)
      case 'DELETE':
        requireSettable(node)
        return this.#delete(asked)
      default:
        throw methodNotAllowed(['GET', 'HEAD', 'PUT', 'DELETE'])
    }
  }

  /** RFC 4825 §8: an XUI that is not recognized is not found. */
  #homeOf(uri: XcapUri, usage: ApplicationUsage, turn: Turn): string {
    if (!(usage.trees ?? ['users']).includes(uri.tree) && !isOfOperator(uri, usage))
      throw notFound(`${usage.auid} has no documents below ${uri.tree}`)
    if (uri.tree === 'global') return ''
    const user = this.#options.userOf(uri.xui)
    if (user === undefined || !this.#options.isUser(turn, user)) throw notFound('There is no such user')
    return user
  }

  /** PS-112: somebody else may write by the owner's leave, and no more than that. Throws 503 while it is not known. */
  #delegated(
    method: string,
    xui: string,
    usage: ApplicationUsage,
    uri: XcapUri,
    { user, identities, isOperator }: Identity,
    turn: Turn,
  ): WriteCheck | undefined {
    const isOthers = usage.writers === 'others' && xui !== '' && user !== '' && user !== xui && !isOperator
    if (!isOthers || (method !== 'PUT' && method !== 'DELETE')) return undefined
    const address = { auid: usage.auid, xui, path: documentPath(usage, uri, method) }
    const check = this.#options.mayWrite?.(identities, address, turn)
    if (check === 'unavailable') throw serviceUnavailable(2)
    return check
  }

  #isShown(
    method: string,
    xui: string,
    usage: ApplicationUsage,
    uri: XcapUri,
    { identities }: Identity,
    turn: Turn,
  ): boolean {
    if (usage.readers !== 'watchers' || (method !== 'GET' && method !== 'HEAD')) return false
    const address = { auid: usage.auid, xui, path: documentPath(usage, uri, method) }
    return this.#options.isShown?.(identities, address, turn) ?? false
  }

  #get(asked: Asked): HttpResponse {
    const { request, usage, node } = asked
    const stored = this.#stored(asked)
    if (stored === undefined) throw notFound('There is no such document')
    const { body, etag } = stored
    const entityTag = `"${etag}"`
    // Whether a node exists is to be known before it can be said not to have changed.
    const text = node === undefined ? undefined : selectedText(rootOf(stored), node)
    if (node !== undefined && text === undefined) throw notFound('The selector selects nothing, or several elements')
    const headers = { ETag: entityTag, 'Cache-Control': 'no-cache' }
    if (checkConditions(request, entityTag) === 'not-modified') return { status: 304, headers, body: undefined }
    return {
      status: 200,
      headers: { ...headers, 'Content-Type': typeOf(node, usage) },
      body: text === undefined ? body : Buffer.from(text, 'utf8'),
    }
  }

  #stored(asked: Asked): DerivedDocument | undefined {
    const { request, usage, address, turn } = asked
    return usage.derived?.(address, request, turn) ?? current(asked)
  }

  #put(asked: Asked): Handled {
    const { request, usage, node } = asked
    requireWhole(request)
    const expected = typeOf(node, usage)
    if (mediaType(request.headers['content-type']) !== expected) throw unsupportedMediaType(expected)
    const stored = current(asked)
    checkConditions(request, stored && `"${stored.etag}"`)
    if (node === undefined) {
      // The same document again is no change, and costs no write to flash.
      if (stored !== undefined && equal(stored.body, request.body)) return unchanged(stored)
      const root = readDocument(request.body, limits.xcapDocument)
      return this.#store(asked, stored, { bytes: Buffer.from(request.body), root, isNew: stored === undefined })
    }
    if (stored === undefined) throw noParent(asked.uri.home, 'There is no such document')
    const context = editContext(asked)
    const root = rootOf(stored)
    const edited =
      node.terminal?.kind === 'attribute'
        ? putAttribute(root, node.steps, node.terminal, request.body, context)
        : putElement(root, node.steps, request.body, context)
    if (!edited.isNew && equal(stored.body, edited.bytes)) return unchanged(stored)
    return this.#store(asked, stored, edited)
  }

  #delete(asked: Asked): Handled {
    const { request, usage, address, node, turn } = asked
    const stored = current(asked)
    if (stored === undefined) throw notFound('There is no such document')
    if (node !== undefined) {
      const edited = deleteNode(rootOf(stored), node, editContext(asked))
      checkConditions(request, `"${stored.etag}"`)
      return this.#store(asked, stored, edited)
    }
    checkConditions(request, `"${stored.etag}"`)
    requireLeave(asked, stored, undefined)
    deleteDocument(turn.db, address)
    usage.changed?.(address, rootOf(stored), undefined, turn.db)
    const before = () => rootOf(stored)
    const outputs = this.#tell({ address, previousEtag: stored.etag, etag: undefined, before }, turn)
    return { response: { status: 200, headers: {}, body: undefined }, outputs }
  }

  /** Checks the document as it would be, and keeps it (RFC 4825 §8.2.5, §8.2.7). */
  #store(asked: Asked, stored: StoredDocument | undefined, { bytes, root, isNew }: Edited): Handled {
    const { request, usage, address, turn } = asked
    requireValid(root, usage)
    requireLeave(asked, stored, root)
    const { userOf, isUser } = this.#options
    usage.constrain?.(root, { address, usage, turn, userOf, isUser: user => isUser(turn, user) })
    requireRoom(turn.db, address, stored, bytes.length)
    // Without an element a document is smaller.
    if (turn.diskIsFull && request.method !== 'DELETE') throw insufficientStorage('The disk of the box is full')
    const etag = turn.random.token(12)
    putDocument(turn.db, address, { etag, body: bytes, modifiedAt: turn.now })
    usage.changed?.(address, stored && rootOf(stored), root, turn.db)
    const before = () => stored && rootOf(stored)
    const outputs = this.#tell({ address, previousEtag: stored?.etag, etag, before, after: () => root }, turn)
    return { response: { status: isNew ? 201 : 200, headers: { ETag: `"${etag}"` }, body: undefined }, outputs }
  }

  #tell(change: DocumentChange, turn: Turn): Output[] {
    return this.#options.listeners.flatMap(listener => listener(change, turn))
  }
}

/**
 * The tree of a document that is kept. Trees are not: one that outlives its turn costs the garbage collector more than reading
 * the document again.
 */
function rootOf({ body }: DerivedDocument): XmlElement {
  return readDocument(body, storedLimits)
}

/** The document as it can be changed. */
function current({ usage, address, turn }: Asked): StoredDocument | undefined {
  return documentAt(turn.db, address) ?? shippedTemplate(usage, address)
}

/** Whether a URI is one of the global tree that a usage has for its template and what else the operator says there. */
function isOfOperator({ tree }: XcapUri, { newUsers, globalNames, trees }: ApplicationUsage): boolean {
  return tree === 'global' && (newUsers ?? globalNames) !== undefined && !trees?.includes('global')
}

/** The names of these documents. */
function operatorNames({ newUsers, globalNames = [] }: ApplicationUsage): Record<string, string> {
  const names = newUsers === undefined ? globalNames : [templatePath, ...globalNames]
  return Object.fromEntries(names.map(name => [name, name]))
}

/** What is stored was within the bounds of its time, and derived documents are larger than their parts. */
export const storedLimits = { bytes: 1 << 26, depth: 1_000, nodes: 1 << 22, attributes: 10_000, nameLength: 10_000 }

/** RFC 4825 §5.7: his own documents to each user, the global ones to all for reading, everything to operators. */
function authorize(method: string, xui: string, usage: ApplicationUsage, identity: Identity): void {
  if (method === 'GET' || method === 'HEAD') {
    if (mayRead(xui, usage, identity)) return
  } else if (identity.isOperator) return
  if (xui === '') throw forbidden('These documents are for the operators')
  if (xui !== identity.user) throw forbidden('These are the documents of another user')
  if (usage.writers === 'operators') throw forbidden('The operator writes these documents')
}

/** Whether the documents of a user, or the global ones where `xui` is empty, may be read. */
export function mayRead(xui: string, usage: ApplicationUsage, { user, isOperator }: Identity): boolean {
  return isOperator || (xui === '' ? usage.globalReaders !== 'operators' : xui === user)
}

/** The path that a document is kept under. Throws 404, and for PUT 409 where no document of that name can be. */
function documentPath(usage: ApplicationUsage, uri: XcapUri, method: string): string {
  const { auid } = usage
  const { path, home } = uri
  const { directory, names } = isOfOperator(uri, usage) ? { directory: undefined, names: operatorNames(usage) } : usage
  const slash = path.lastIndexOf('/')
  if ((slash === -1 ? undefined : path.slice(0, slash)) !== directory)
    throw method === 'PUT' ? noParent(home, 'There is no such directory') : notFound('There is no such document')
  if (names === undefined) return path
  const name = names[path.slice(slash + 1)]
  if (name !== undefined) return path.slice(0, slash + 1) + name
  if (method !== 'PUT') throw notFound('There is no such document')
  throw constraintFailure(`Documents of ${auid} are called ${Object.keys(names).join(' or ')}`)
}

/** Namespace bindings are what the document says; they cannot be set (RFC 4825 §8.2, §8.4). */
function requireSettable(node: NodeSelector | undefined): void {
  if (node?.terminal?.kind === 'namespaces') throw methodNotAllowed(['GET'])
}

function typeOf(node: NodeSelector | undefined, usage: ApplicationUsage): string {
  if (node === undefined) return usage.contentType
  if (node.terminal === undefined) return elementType
  return node.terminal.kind === 'attribute' ? attributeType : namespacesType
}

function editContext({ uri }: Asked): EditContext {
  return {
    limits: limits.xcapDocument,
    ancestor(steps) {
      const selector = stepsOf(uri.node!).slice(0, steps).join('/')
      return selector === '' ? uri.document : `${uri.document}/~~/${selector}${uri.query === '' ? '' : `?${uri.query}`}`
    },
  }
}

/** The steps of a percent-encoded selector as written; a slash within quotes separates none. */
function stepsOf(selector: string): string[] {
  const steps: string[] = []
  let quote = ''
  let step = ''
  for (const part of selector.split(/(\/|"|'|%22|%27)/)) {
    const mark = part === '%22' ? '"' : part === '%27' ? "'" : part
    if (mark === '/' && quote === '') {
      steps.push(step)
      step = ''
      continue
    }
    if (mark === '"' || mark === "'") quote = quote === '' ? mark : quote === mark ? '' : quote
    step += part
  }
  steps.push(step)
  return steps
}

function requireValid(root: XmlElement, { grammar }: ApplicationUsage): void {
  try {
    validate(root, grammar)
  } catch (error) {
    throw error instanceof XmlError ? schemaValidationError(error.message) : error
  }
}

/** What the owner does not let others write (PS-112). */
function requireLeave(
  { check, address }: Asked,
  stored: StoredDocument | undefined,
  root: XmlElement | undefined,
): void {
  const beyond = check?.(stored && rootOf(stored), root)
  if (beyond !== undefined)
    throw localConstraintFailure(`The publication rules of ${address.xui} do not let you change this: ${beyond}`)
}

/** How much a user may keep under one application usage is for the operator to say (XDM-21). */
function requireRoom(
  db: Transaction,
  { auid, xui }: DocumentAddress,
  stored: StoredDocument | undefined,
  octets: number,
): void {
  if (stored !== undefined && octets <= stored.body.length) return
  let count = stored === undefined ? 1 : 0
  let sum = octets - (stored?.body.length ?? 0)
  for (const { document } of documentsOf(db, auid, xui)) {
    count++
    sum += document.body.length
  }
  if (count > limits.documentsPerUsage)
    throw localConstraintFailure(`A user has at most ${limits.documentsPerUsage} documents under ${auid}`)
  if (sum > limits.documentOctetsPerUsage)
    throw localConstraintFailure(
      `The documents of a user under ${auid} have at most ${limits.documentOctetsPerUsage} octets`,
    )
}

function unchanged({ etag }: StoredDocument): Handled {
  return { response: { status: 200, headers: { ETag: `"${etag}"` }, body: undefined }, outputs: [] }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}
