/** What objects may be kept, and for how long (CS-13, CS-14): types that their octets bear out, sizes, room. */

import { limits } from '../../limits.ts'
import { contentTooLarge, insufficientStorage, unsupportedMediaType } from '../../protocols/http/errors.ts'
import { mediaType } from '../../protocols/http/message.ts'
import type { Output, Turn } from '../../turn.ts'
import { isOfType, mediaKind, unfoldsTooMuch } from './media-type.ts'
import { type ObjectAddress, objectAt, objectsOf, putObject } from './objects.ts'

/**
 * Checks an object and stores it. It stays for a while without being referred to: a source stores first and publishes then
 * (PRS-13). Throws 413, 415, 507.
 */
export function keep(address: ObjectAddress, type: string, bytes: Uint8Array, turn: Turn): Output[] {
  requireGood(type, bytes, turn)
  requireRoom(address.owner, [{ name: address.name, bytes }], turn)
  const wasThere = objectAt(turn.db, address) !== undefined
  putObject(turn.db, address, { type, bytes })
  // A look is pending for every object from its first day on.
  return wasThere ? [] : [look(address, turn)]
}

/** CS-14. Throws 413 and 415. */
export function requireGood(type: string, bytes: Uint8Array, { settings }: Turn): void {
  const { objectOctets, types } = settings.content
  if (bytes.length > objectOctets) throw contentTooLarge(objectOctets)
  // It is said to watchers as it stands, and parts of a message may say it in any characters.
  if (!/^[\t\x20-\x7e]*$/.test(type))
    throw unsupportedMediaType(types, 'A type is in ASCII, without control characters')
  requireType(mediaType(type), bytes, types)
}

/** The note to look whether an object is still referred to. */
export function look(address: ObjectAddress, turn: Turn): Output {
  const at = turn.now + turn.settings.content.graceSeconds * 1000
  return { kind: 'wake', at, token: `${address.owner} ${address.name}`, entity: 'content-server' }
}

/** CS-14: a type that is taken, and that the octets bear out. */
function requireType(type: string, bytes: Uint8Array, types: string): void {
  if (!types.split(',').includes(type)) throw unsupportedMediaType(types)
  const kind = mediaKind(bytes)
  if (!isOfType(type, kind))
    throw unsupportedMediaType(types, `The octets are ${kind?.type ?? 'of no type that is known here'}, not ${type}`)
  const excess = unfoldsTooMuch(kind!)
  if (excess !== undefined) throw unsupportedMediaType(types, excess)
}

/** How much one user may keep, with these objects and without some others, is for the operator to say. Throws 507. */
export function requireRoom(
  owner: string,
  added: ReadonlyArray<{ readonly name: string; readonly bytes: Uint8Array }>,
  turn: Turn,
  without: readonly string[] = [],
): void {
  const sizes = new Map([...objectsOf(turn.db, owner)].map(({ name, object }) => [name, object.size]))
  for (const name of without) sizes.delete(name)
  for (const { name, bytes } of added) sizes.set(name, bytes.length)
  const sum = [...sizes.values()].reduce((octets, size) => octets + size, 0)
  const { userOctets } = turn.settings.content
  if (sizes.size > limits.content.objectsPerUser)
    throw insufficientStorage(`A user has at most ${limits.content.objectsPerUser} objects`)
  if (sum > userOctets) throw insufficientStorage(`The objects of a user have at most ${userOctets} octets`)
  if (turn.diskIsFull) throw insufficientStorage('The disk of the box is full')
}
