/** What an application usage declares (RFC 4825 §5.9): a usage is one such value in a file of its own, listed by its XDMS. */

import type { Grammar } from '../../documents/grammar/grammar.ts'
import type { XmlElement } from '../../documents/xml/tree.ts'
import type { HttpRequest } from '../../protocols/http/message.ts'
import type { Transaction, Turn } from '../../turn.ts'
import type { DocumentAddress } from './documents.ts'

export interface ApplicationUsage {
  readonly auid: string
  /** MIME type of its documents. */
  readonly contentType: string
  /** Meant by names without a prefix in node selectors, whatever the document's own default namespace (§5.2). */
  readonly defaultNamespace: string
  /** What its documents look like; the namespaces it knows are listed in xcap-caps (§12). */
  readonly grammar: Grammar
  /**
   * Who may write below a user's home directory besides the operators; the owner unless given. `others`: besides him those whom
   * he lets, as far as he lets them.
   */
  readonly writers?: 'owner' | 'operators' | 'others'
  /** Who reads below a user's home directory: `watchers`, too, are those whom the user's presence shows a reference to the document. */
  readonly readers?: 'owner' | 'watchers'
  /** The trees it has documents in; home directories alone unless given. */
  readonly trees?: ReadonlyArray<'users' | 'global'>
  /** The documents it has in the global tree, beside a template for new users, if it has no others there. */
  readonly globalNames?: readonly string[]
  /** Who reads the global tree, which operators write; everybody unless given. */
  readonly globalReaders?: 'everybody' | 'operators'
  /** Whether all its documents are made by the server. */
  readonly isReadOnly?: boolean
  /** The names its documents have, each with the one it is kept under, so that two names can be one document; any unless given. */
  readonly names?: Readonly<Record<string, string>>
  /** The directory that holds its documents, made as needed (XDM-04); without one they are in the home directory itself. */
  readonly directory?: string
  /**
   * The document that every new user gets, and what is shipped as its template; the operator's is `template` in the global
   * tree (XDM-46).
   */
  readonly newUsers?: { readonly path: string; readonly template?: string }
  /** The usage whose documents it shows. */
  readonly viewOf?: string
  /** Checks uniqueness and everything else that a schema does not say. Throws 409. */
  constrain?(root: XmlElement, context: ConstraintContext): void
  /** A document has changed, come (`previous` undefined) or gone (`next` undefined): what is derived from it changes with it. */
  changed?(
    address: DocumentAddress,
    previous: XmlElement | undefined,
    next: XmlElement | undefined,
    db: Transaction,
  ): void
  /** The document at this address, if it is one made by the server out of others. */
  derived?(address: DocumentAddress, request: HttpRequest, turn: Turn): DerivedDocument | undefined
}

export interface ConstraintContext {
  readonly address: DocumentAddress
  readonly usage: ApplicationUsage
  readonly turn: Turn
  /** The user that an XUI means, canonical; undefined when it means none. */
  userOf(xui: string): string | undefined
  isUser(user: string): boolean
}

export interface DerivedDocument {
  /** Another one for every other body; a token. */
  readonly etag: string
  readonly body: Uint8Array
}
