import avro from 'avsc'
import { definitions, parse, typeHook } from './definitions.ts'

type Reading = (tap: object) => unknown

/** A schema inside of another one: a name, a list of choices, or an object. */
type Inner = string | readonly Inner[] | InnerObject
interface InnerObject {
  type: Inner
  items?: Inner
  fields?: { name: string; type: Inner }[]
}

/** The record that a field's type holds, inside of lists and of what may be null. */
const recordIn = (type: Inner): InnerObject | undefined => {
  if (typeof type === 'string') return undefined
  if (Array.isArray(type)) return (type as readonly Inner[]).map(recordIn).find((found) => found !== undefined)
  const { fields, items, type: inner } = type as InnerObject
  return fields === undefined ? recordIn(items ?? inner) : (type as InnerObject)
}

const emptyOf = (type: avro.Type): (() => unknown) => {
  if (type.typeName === 'string') return () => ''
  if (type.typeName === 'array') return () => []
  if (type.typeName === 'union:unwrapped') return () => null
  throw new Error(`nothing stands for a ${type.typeName} that is passed over`)
}

const passedOver = (type: avro.Type): avro.Type => {
  const skip = (type as unknown as { readonly _skip: Reading })._skip
  const empty = emptyOf(type)
  const read: Reading = (tap) => {
    skip.call(type, tap)
    return empty()
  }
  // The library freezes its types.
  return Object.create(type, { _read: { value: read } }) as avro.Type
}

/**
 * The type of a present schema that passes over what stands at some paths (`flow.arguments`), which costs next to nothing: texts come
 * back as '', lists as [], what may be null as null. Throws where a path leads nowhere.
 */
export const skimmedType = (name: string, leftOut: readonly string[]): avro.Type => {
  const schema = structuredClone(definitions.get(name)) as InnerObject
  const passed = new Set<Inner>()
  for (const path of leftOut) {
    const names = path.split('.')
    const last = names.pop()
    let record: InnerObject | undefined = schema
    for (const one of names) record = recordIn(record?.fields?.find((field) => field.name === one)?.type ?? '')
    const field = record?.fields?.find((each) => each.name === last)
    if (field === undefined) throw new Error(`schema ${name} has no ${path} of its own`)
    // Told from others by what it is, not by what it says.
    if (typeof field.type === 'string') field.type = { type: field.type }
    passed.add(field.type)
  }
  return parse(schema, (each, options) =>
    passed.delete(each as Inner) ? passedOver(avro.Type.forSchema(each, options)) : typeHook(each),
  )
}
