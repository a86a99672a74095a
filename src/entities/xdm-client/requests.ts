/** XCAP requests of the client (RFC 4825 §7): always for whole documents, and only when they have changed. */

import { limits } from '../../limits.ts'
import { assertedIdentity } from '../../protocols/http/asserted-identity.ts'
import type { OutgoingHttpRequest } from '../../protocols/http/message.ts'
import { pathSegment } from '../../protocols/xcap/document-selector.ts'
import type { XdmPoint as PointSettings } from '../../settings/xdm-points.ts'
import type { DocumentAddress } from '../xdms/documents.ts'

/** `entityTag`: of the version that is known, in quotes. */
export function documentRequest(
  { auid, xui, path }: DocumentAddress,
  { root, username, password }: PointSettings,
  entityTag: string | undefined,
): OutgoingHttpRequest {
  const home = xui === '' ? 'global' : `users/${pathSegment(xui)}`
  return {
    method: 'GET',
    uri: `${root}/${auid}/${home}/${path.split('/').map(pathSegment).join('/')}`,
    headers: {
      // The owner reads his own documents; who we are beside that is for credentials, address or certificate to show.
      ...(xui === '' ? {} : assertedIdentity(xui)),
      ...(entityTag === undefined ? {} : { 'If-None-Match': entityTag }),
    },
    credentials: username === '' ? undefined : { username, password },
    bodyOctets: limits.xcapDocument.bytes,
  }
}
