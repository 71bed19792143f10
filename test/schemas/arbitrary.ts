import fc from 'fast-check'

/** An Avro schema as JSON. */
export type AvroSchema = string | readonly AvroSchema[] | AvroObject
interface AvroObject {
  readonly type: AvroSchema
  readonly name?: string
  readonly symbols?: readonly string[]
  readonly items?: AvroSchema
  readonly fields?: readonly { readonly name: string; readonly type: AvroSchema }[]
}

const primitives: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  null: fc.constant(null),
  boolean: fc.boolean(),
  int: fc.integer(),
  // Times, counts and offsets: avsc refuses 2^53 - 1 and rounds what is below -2^52.
  long: fc.oneof(
    fc.maxSafeNat().map((n) => Math.min(n, Number.MAX_SAFE_INTEGER - 1)),
    fc.integer(),
  ),
  double: fc.double({ noNaN: true }),
  // Lone surrogates have no UTF-8 form.
  string: fc.string({ unit: 'grapheme', maxLength: 12 }),
  bytes: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
}

/** Values that a schema describes; names are those of the schema itself and of `known`. */
export const valuesOf = (schema: AvroSchema, known: ReadonlyMap<string, AvroSchema>): fc.Arbitrary<unknown> => {
  const named = new Map<string, AvroSchema>()
  for (const defined of known.values()) nameInside(defined, named)
  const of = (part: AvroSchema): fc.Arbitrary<unknown> => {
    if (typeof part === 'string') {
      const referred = named.get(part)
      return primitives[part] ?? of(referred ?? unknown(part))
    }
    if (isList(part)) return fc.oneof(...part.map(of))
    if (part.name !== undefined) named.set(part.name, part)
    if (part.type === 'array') return fc.array(of(part.items ?? 'null'), { maxLength: 3 })
    if (part.type === 'enum') return fc.constantFrom(...(part.symbols ?? []))
    if (part.type === 'record')
      return fc.record(Object.fromEntries((part.fields ?? []).map(({ name, type }) => [name, of(type)])))
    return of(part.type)
  }
  return of(schema)
}

/** Notes every schema that is defined inside another one by its name. */
const nameInside = (part: AvroSchema, named: Map<string, AvroSchema>): void => {
  if (typeof part === 'string') return
  if (isList(part)) return part.forEach((each) => nameInside(each, named))
  if (part.name !== undefined) named.set(part.name, part)
  if (typeof part.type !== 'string') nameInside(part.type, named)
  if (part.items !== undefined) nameInside(part.items, named)
  for (const { type } of part.fields ?? []) nameInside(type, named)
}

const isList = (schema: AvroSchema): schema is readonly AvroSchema[] => Array.isArray(schema)

const unknown = (name: string): never => {
  throw new Error(`no values are known for schema ${name}`)
}
