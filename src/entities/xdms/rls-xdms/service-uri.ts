/** The URIs of list services: one canonical text for every way of writing one (RFC 4826 §5), by which they are kept and found. */

import { addressOfRecord, isSipUri, parseUri, type Uri } from '../../../protocols/sip/uri.ts'

/** The parameter by which one address has many lists: `sip:alice@box.example;pres-list=rcs` (RLS-24). */
const listParameter = 'pres-list'

/** The text under which a service with this URI is kept: an address-of-record, with the parameter that makes it a list of its. `address`: what it is otherwise known to be. */
export function serviceUri(uri: Uri, address = addressOfRecord(uri)): string {
  const list = isSipUri(uri) ? uri.params.get(listParameter) : undefined
  return list === undefined ? address : `${address};${listParameter}=${list}`
}

/** The same of a URI as a document has it; what is no URI of ours is itself. */
export function serviceUriOf(text: string): string {
  try {
    return serviceUri(parseUri(text.trim()))
  } catch {
    return text.trim()
  }
}

/** The address whose list a URI is by its parameter; undefined for any other URI. */
export function addressOfList(text: string): string | undefined {
  const at = text.indexOf(`;${listParameter}=`)
  return at === -1 ? undefined : text.slice(0, at)
}
