import avro from 'avsc'
import { canonicalForm, presentTypes, writtenForms } from './definitions.ts'
import { fingerprint } from './fingerprint.ts'
import { skimmedType } from './skimmed-type.ts'
import type { Schemas } from './generated.ts'
import { writtenValue } from './written-value.ts'

export type SchemaName = keyof Schemas

/** Why bytes could not be read: no marker, a writer's schema that is not known here, or bytes that do not fit it. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
  readonly code: 'UNMARKED' | 'UNKNOWN_SCHEMA' | 'DAMAGED'
  readonly fingerprint: string
  constructor(code: DecodeError['code'], message: string, fingerprint = '') {
    super(message)
    this.code = code
    this.fingerprint = fingerprint
  }
}

/** Reads a body that one writer's schema wrote, as the present schema of its name. Throws where it does not fit. */
type Reader = (body: Buffer) => unknown

const headerBytes = 10
const hex = (fp: bigint): string => fp.toString(16).padStart(16, '0')

const headerOf = (type: avro.Type): Buffer => {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(0xc301, 0)
  header.writeBigUInt64LE(fingerprint(canonicalForm(type)), 2)
  return header
}

const presentType = (name: string): avro.Type => {
  const type = presentTypes.get(name)
  if (type === undefined) throw new Error(`there is no schema ${name}`)
  return type
}

/** A schema as this program writes it. */
interface Writer {
  readonly type: avro.Type
  readonly header: Buffer
  /** The header's fingerprint as two whole numbers: compared with these, most records need no search for their reader. */
  readonly low: number
  readonly high: number
}

const writerOf = (type: avro.Type): Writer => {
  const header = headerOf(type)
  return { type, header, low: header.readInt32LE(2), high: header.readInt32LE(6) }
}

const writers = new Map([...presentTypes].map(([name, type]) => [name, writerOf(type)]))
const readers = new Map<string, Map<string, Reader>>(
  [...presentTypes.keys()].map((name) => [name, new Map<string, Reader>()]),
)

const parseWritten = (text: string): avro.Type | undefined => {
  try {
    return avro.Type.forSchema(JSON.parse(text) as avro.Schema, { wrapUnions: false, omitRecordMethods: true })
  } catch {
    return undefined
  }
}

/** Throws where the writer's schema does not resolve to the present one. */
const readerOf = (writer: avro.Type, present: avro.Type): Reader => {
  if (canonicalForm(writer) === canonicalForm(present)) return (body) => present.fromBuffer(body) as unknown
  const resolver = present.createResolver(writer)
  return (body) => present.fromBuffer(body, resolver) as unknown
}

/**
 * Makes records readable that this writer's schema wrote. Says whether they are: what is no schema, or does not resolve to the
 * present one of its name, stays unknown.
 */
export const learnSchema = (text: string): boolean => {
  const writer = parseWritten(text)
  const name = writer?.name?.split('.').at(-1) ?? ''
  const known = readers.get(name)
  if (writer === undefined || known === undefined) return false
  const key = hex(fingerprint(canonicalForm(writer)))
  if (known.has(key)) return true
  try {
    known.set(key, readerOf(writer, presentType(name)))
    return true
  } catch {
    return false
  }
}

for (const type of presentTypes.values()) learnSchema(canonicalForm(type))
for (const { text } of writtenForms()) learnSchema(text)

let written: ReadonlyMap<string, string> | undefined

/** The schemas that this program writes with: fingerprint → canonical JSON text. */
export const writersSchemas = (): ReadonlyMap<string, string> =>
  (written ??= new Map(
    [...presentTypes.values()].map((type) => [hex(fingerprint(canonicalForm(type))), canonicalForm(type)]),
  ))

/** Nearly every record fits, and is copied out at once. */
const scratch = Buffer.allocUnsafeSlow(65_536)

/** Avro single-object encoding: C3 01, the schema's fingerprint, the bytes. */
export const encode = <N extends SchemaName>(name: N, value: Schemas[N]): Uint8Array => {
  const { type, header } = writers.get(name) as Writer
  const end = type.encode(value, scratch, headerBytes)
  if (end < 0) return Buffer.concat([header, type.toBuffer(value)])
  const bytes = Buffer.allocUnsafe(end)
  scratch.copy(bytes, headerBytes, headerBytes, end)
  header.copy(bytes)
  return bytes
}

const writtenBy = (marked: Buffer): string => hex(marked.readBigUInt64LE(2))

/** Whether the present schema of that name wrote it. */
const isPresent = (name: string, marked: Buffer): boolean => {
  const { low, high } = writers.get(name) as Writer
  return marked.readInt32LE(2) === low && marked.readInt32LE(6) === high
}

const readerFor = (name: string, marked: Buffer, present: avro.Type): Reader => {
  if (isPresent(name, marked)) return (body) => present.fromBuffer(body) as unknown
  const key = writtenBy(marked)
  const reader = (readers.get(name) as Map<string, Reader>).get(key)
  if (reader === undefined) throw new DecodeError('UNKNOWN_SCHEMA', `schema ${key} of ${name} is not known here`, key)
  return reader
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const read = (name: string, bytes: Uint8Array, present: avro.Type): unknown => {
  const buffer = asBuffer(bytes)
  if (buffer.length < headerBytes || buffer.readUInt16BE(0) !== 0xc301)
    throw new DecodeError('UNMARKED', `no schema marker before ${buffer.length} bytes`)
  const reader = readerFor(name, buffer, present)
  try {
    return reader(buffer.subarray(headerBytes))
  } catch (cause) {
    const key = writtenBy(buffer)
    throw new DecodeError('DAMAGED', `bytes do not fit schema ${key} of ${name}: ${(cause as Error).message}`, key)
  }
}

/** Reads what any known schema of that name wrote, as the present one. Throws DecodeError. */
export const decode = <N extends SchemaName>(name: N, bytes: Uint8Array): Schemas[N] =>
  read(name, bytes, (writers.get(name) as Writer).type) as Schemas[N]

/** Reads as `decode` does. */
export type Decode<N extends SchemaName> = (bytes: Uint8Array) => Schemas[N]

/**
 * Reads faster what is needed in part: what stands at these paths (`flow.arguments`) is passed over, and may come back empty: a text as
 * '', a list as [], what may be null as null.
 */
export const openSkimmer = <N extends SchemaName>(name: N, leftOut: readonly string[]): Decode<N> => {
  const type = skimmedType(name, leftOut)
  return (bytes) => read(name, bytes, type) as Schemas[N]
}

/**
 * What these bytes hold, to stand inside of a value of another schema, where it is copied as it was written: nothing of it can be looked at.
 * They must have been read before. What an older schema wrote is read whole.
 */
export const asWritten = <N extends SchemaName>(name: N, bytes: Uint8Array): Schemas[N] => {
  const buffer = asBuffer(bytes)
  return isPresent(name, buffer) ? (writtenValue(buffer.subarray(headerBytes)) as Schemas[N]) : decode(name, bytes)
}
