/**
 * Values as compact octets: null, undefined, booleans, numbers, strings, Uint8Array, arrays and plain records of these.
 *
 * An encoded value is: the length of its text, the text (every string of the value, one after the other, when all are
 * ASCII), then one token per element. A record is the number of its shape (its field names in order, kept once per
 * database by `Shapes`) and then its fields, so field names cost nothing and all strings cost one conversion.
 */

import { StoreError } from './error.ts'

/** An encoded value may be this long; a longer one is refused. */
const maxValueBytes = 4 * 1024 * 1024
/** Arrays and records may be nested this deep; the limit also answers a value that contains itself. */
const maxDepth = 32
/** Shapes kept per database, and fields per shape; records beyond either carry their field names themselves. */
const maxShapes = 1000
const maxShapeFields = 48

// Tokens 0x00..0x7f are the numbers 0..127; 0x80..0xbf a string of 0..63 characters of the text section.
const shortString = 0x80
const nullToken = 0xc0
const undefinedToken = 0xc1
const falseToken = 0xc2
const trueToken = 0xc3
const doubleToken = 0xc4
const uint16Token = 0xc5
const uint32Token = 0xc6
const uint48Token = 0xc7
const negativeToken = 0xc8
/** The characters are in the text section. */
const textToken = 0xc9
/** The characters follow. */
const utf8Token = 0xca
const utf16Token = 0xcb
const bytesToken = 0xcc
const arrayToken = 0xcd
const shapeToken = 0xce
const recordToken = 0xcf

interface Shape {
  readonly id: number
  readonly fields: readonly string[]
  readonly read: RecordReader
  readonly write: RecordWriter
}

/** Reads the fields of a record of one shape. */
type RecordReader = (shapes: Shapes) => unknown
/** Writes the fields of a record of one shape. */
type RecordWriter = (record: Record<string, unknown>, shapes: Shapes, depth: number) => void

/** The shapes of one database. `onNew` is told of a shape before the first value that uses it is written. */
export class Shapes {
  readonly #byId: Shape[] = []
  /** By the first field: few begin alike, and comparing names of one string object each is cheaper than making a key of them. */
  readonly #byFirst = new Map<string | undefined, Shape[]>()
  #onNew: (id: number, fields: readonly string[]) => void

  constructor(onNew: (id: number, fields: readonly string[]) => void = () => {}) {
    this.#onNew = onNew
  }

  /** Takes over a shape known from the database. */
  restore(id: number, fields: readonly string[]): void {
    const shape = { id, fields, read: recordReader(fields), write: recordWriter(fields) }
    this.#byId[id] = shape
    const [first] = fields
    const alike = this.#byFirst.get(first)
    if (alike === undefined) this.#byFirst.set(first, [shape])
    else alike.push(shape)
  }

  get(id: number): Shape | undefined {
    return this.#byId[id]
  }

  /** The shape with these fields in this order, made if need be; undefined when the record must carry its names. */
  of(fields: readonly string[]): Shape | undefined {
    const alike = this.#byFirst.get(fields[0])
    if (alike !== undefined) {
      for (const shape of alike) if (sameFields(shape.fields, fields)) return shape
    }
    // An object literal cannot make a field named `__proto__`.
    if (fields.length > maxShapeFields || this.#byId.length >= maxShapes || fields.includes('__proto__'))
      return undefined
    const id = this.#byId.length
    this.restore(id, fields)
    this.#onNew(id, fields)
    return this.#byId[id]
  }
}

/**
 * A function whose object literal names the fields: V8 makes such a record at once, several times faster than field by field.
 * The names come from our own records and are written as JSON strings, so that nothing but a name can come of them.
 */
function recordReader(fields: readonly string[]): RecordReader {
  const body = fields.map(field => `${JSON.stringify(field)}: read(shapes)`).join(', ')
  return new Function('read', `return shapes => ({ ${body} })`)(read)
}

/** Likewise for writing: every access stands for one field of one kind of record. */
function recordWriter(fields: readonly string[]): RecordWriter {
  const body = fields.map(field => `write(record[${JSON.stringify(field)}], shapes, depth)`).join('; ')
  return new Function('write', `return (record, shapes, depth) => { ${body} }`)(write)
}

function sameFields(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

let out = Buffer.allocUnsafeSlow(64 * 1024)
let outView = new DataView(out.buffer)
let position = 0
let text = ''
/** False once a string of the value has turned out not to be ASCII: then each string stands by itself. */
let gather = true

/**
 * Encodes a value into a buffer shared by all calls: the result is good until the next call.
 * Throws StoreError for anything that is not plain data, is nested too deep or too long.
 */
export function encodeShared(value: unknown, shapes: Shapes): Buffer {
  const encoded = encode(value, shapes)
  if (encoded.length > maxValueBytes) throw tooLong()
  return encoded
}

function encode(value: unknown, shapes: Shapes): Buffer {
  const room = 5
  gather = true
  text = ''
  position = room
  write(value, shapes, 0)
  if (text.length > 0) {
    const end = position
    reserve(text.length * 3)
    if (out.write(text, end, 'utf8') === text.length) return assemble(room, end, text.length)
    gather = false
    text = ''
    position = room
    write(value, shapes, 0)
  }
  out[room - 1] = 0
  return out.subarray(room - 1, position)
}

/** Moves the text, written behind the tokens, in front of them. */
function assemble(start: number, end: number, textLength: number): Buffer {
  reserve(textLength + 8)
  // Tokens are few: they move behind the text rather than the text before them.
  const tokens = end - start
  out.copyWithin(end + textLength, start, end)
  const header = end - lengthOf(textLength)
  position = header
  writeLength(textLength)
  return out.subarray(header, end + textLength + tokens)
}

/** As `encodeShared`, but the result is the caller's own. */
export function encodeValue(value: unknown, shapes: Shapes): Uint8Array {
  const shared = encodeShared(value, shapes)
  const own = new Uint8Array(shared.length)
  own.set(shared)
  return own
}

function reserve(more: number): void {
  // Room for the text to be put behind the tokens, and the tokens behind the text.
  const needed = position * 2 + more + 64
  if (needed <= out.length) return
  if (needed > maxValueBytes * 8) throw tooLong()
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, out.length * 2))
  larger.set(out.subarray(0, position))
  out = larger
  outView = new DataView(out.buffer)
}

function tooLong(): StoreError {
  return new StoreError('unsupported', `a value is longer than ${maxValueBytes} octets`)
}

function write(value: unknown, shapes: Shapes, depth: number): void {
  reserve(16)
  if (typeof value === 'string') writeString(value)
  else if (typeof value === 'number') writeNumber(value)
  else if (value === null) out[position++] = nullToken
  else if (value === undefined) out[position++] = undefinedToken
  else if (typeof value === 'boolean') out[position++] = value ? trueToken : falseToken
  else if (typeof value !== 'object') throw new StoreError('unsupported', `a value cannot hold a ${typeof value}`)
  else if (value instanceof Uint8Array) writeBytes(bytesToken, value)
  else if (depth >= maxDepth) throw new StoreError('unsupported', `a value is nested deeper than ${maxDepth}`)
  else if (Array.isArray(value)) writeArray(value, shapes, depth)
  else writeRecord(value as Record<string, unknown>, shapes, depth)
}

function writeArray(array: readonly unknown[], shapes: Shapes, depth: number): void {
  out[position++] = arrayToken
  writeLength(array.length)
  for (let i = 0; i < array.length; i++) write(array[i], shapes, depth + 1)
}

function writeRecord(record: Record<string, unknown>, shapes: Shapes, depth: number): void {
  const prototype = Object.getPrototypeOf(record)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new StoreError('unsupported', `a value cannot hold an instance of ${prototype.constructor?.name}`)
  }
  const fields = Object.keys(record)
  const shape = shapes.of(fields)
  if (shape !== undefined) {
    out[position++] = shapeToken
    writeLength(shape.id)
    shape.write(record, shapes, depth + 1)
    return
  }
  out[position++] = recordToken
  writeLength(fields.length)
  for (const field of fields) {
    write(field, shapes, depth + 1)
    write(record[field], shapes, depth + 1)
  }
}

function writeString(value: string): void {
  if (gather) {
    if (value.length < 64) out[position++] = shortString + value.length
    else {
      out[position++] = textToken
      writeLength(value.length)
    }
    text += value
  } else if (value.isWellFormed()) {
    writeBytes(utf8Token, Buffer.from(value, 'utf8'))
  } else {
    writeBytes(utf16Token, Buffer.from(value, 'utf16le'))
  }
}

function writeBytes(token: number, bytes: Uint8Array): void {
  reserve(bytes.length + 16)
  out[position++] = token
  writeLength(bytes.length)
  out.set(bytes, position)
  position += bytes.length
}

function writeNumber(value: number): void {
  if (Number.isInteger(value) && value > -0x100000000 && value < 0x1000000000000 && !Object.is(value, -0)) {
    if (value < 0) {
      out[position++] = negativeToken
      outView.setUint32(position, -value)
      position += 4
    } else if (value < 0x80) {
      out[position++] = value
    } else if (value < 0x10000) {
      out[position++] = uint16Token
      outView.setUint16(position, value)
      position += 2
    } else if (value < 0x100000000) {
      out[position++] = uint32Token
      outView.setUint32(position, value)
      position += 4
    } else {
      out[position++] = uint48Token
      outView.setUint16(position, Math.floor(value / 0x100000000))
      outView.setUint32(position + 2, value % 0x100000000)
      position += 6
    }
    return
  }
  out[position++] = doubleToken
  outView.setFloat64(position, value)
  position += 8
}

/** A length or number below 2^28, seven bits an octet, low first. */
function writeLength(length: number): void {
  let rest = length
  while (rest >= 0x80) {
    out[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[position++] = rest
}

function lengthOf(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : 4
}

let input: Uint8Array = out
let inputView: DataView = outView
let at = 0
let inputText = ''
let textAt = 0

/** Reads an encoded value that begins at `start`; it shares nothing with `bytes`. Throws StoreError for damaged octets. */
export function decodeValue(bytes: Buffer, start: number, end: number, shapes: Shapes): unknown {
  if (input.buffer !== bytes.buffer || input.byteOffset !== bytes.byteOffset) {
    // Not bounded by bytes.length: lmdb reads into one buffer and changes its length.
    inputView = new DataView(bytes.buffer, bytes.byteOffset)
  }
  input = bytes
  at = start
  textAt = 0
  const length = readLength()
  inputText = length === 0 ? '' : bytes.toString('latin1', at, at + length)
  at += length
  const value = read(shapes)
  if (at !== end) throw new StoreError('failed', 'a stored value is damaged')
  return value
}

function read(shapes: Shapes): unknown {
  const token = input[at++]!
  if (token < shortString) return token
  if (token < nullToken) return readText(token - shortString)
  switch (token) {
    case nullToken:
      return null
    case undefinedToken:
      return undefined
    case falseToken:
      return false
    case trueToken:
      return true
    case doubleToken:
      at += 8
      return inputView.getFloat64(at - 8)
    case uint16Token:
      at += 2
      return inputView.getUint16(at - 2)
    case uint32Token:
      at += 4
      return inputView.getUint32(at - 4)
    case uint48Token:
      at += 6
      return inputView.getUint16(at - 6) * 0x100000000 + inputView.getUint32(at - 4)
    case negativeToken:
      at += 4
      return -inputView.getUint32(at - 4)
    case textToken:
      return readText(readLength())
    case utf8Token:
      return readBuffer().toString('utf8')
    case utf16Token:
      return readBuffer().toString('utf16le')
    case bytesToken:
      return copy(readBuffer())
    case arrayToken:
      return readArray(shapes)
    case shapeToken:
      return readShaped(shapes)
    case recordToken:
      return readRecord(shapes)
    default:
      throw new StoreError('failed', 'a stored value is damaged')
  }
}

function readText(length: number): string {
  textAt += length
  return inputText.slice(textAt - length, textAt)
}

function readArray(shapes: Shapes): unknown[] {
  const length = readLength()
  const array: unknown[] = []
  for (let i = 0; i < length; i++) array.push(read(shapes))
  return array
}

function readShaped(shapes: Shapes): unknown {
  const shape = shapes.get(readLength())
  if (shape === undefined) throw new StoreError('failed', 'a stored value has an unknown shape')
  return shape.read(shapes)
}

function readRecord(shapes: Shapes): unknown {
  const record: Record<string, unknown> = {}
  const count = readLength()
  for (let i = 0; i < count; i++) {
    const field = read(shapes) as string
    const value = read(shapes)
    if (field === '__proto__')
      Object.defineProperty(record, field, { value, enumerable: true, writable: true, configurable: true })
    else record[field] = value
  }
  return record
}

function readLength(): number {
  let length = 0
  for (let shift = 0; shift < 28; shift += 7) {
    const octet = input[at++]!
    length |= (octet & 0x7f) << shift
    if (octet < 0x80) break
  }
  return length
}

function readBuffer(): Buffer {
  const length = readLength()
  at += length
  return (input as Buffer).subarray(at - length, at)
}

/** Below what the C library takes from the system block by block (scripts/porchlight): these come and go all the time. */
const poolBytes = 24_576
let pool = new ArrayBuffer(poolBytes)
let poolUsed = 0

/** A copy as a plain Uint8Array; small ones share an allocation, which is several times cheaper than their own. */
function copy(bytes: Uint8Array): Uint8Array {
  const length = bytes.length
  if (length > poolBytes / 4) return new Uint8Array(bytes)
  if (poolUsed + length > poolBytes) {
    pool = new ArrayBuffer(poolBytes)
    poolUsed = 0
  }
  const own = new Uint8Array(pool, poolUsed, length)
  own.set(bytes)
  poolUsed = (poolUsed + length + 7) & ~7
  return own
}
