import avro from 'avsc'
import { readdirSync, readFileSync } from 'node:fs'
import { fingerprint } from './fingerprint.ts'
import { textType } from './text-type.ts'
import { copyingType } from './written-value.ts'

/** One file a schema. A schema may name those before it. */
const files = [
  'raw-event',
  'flow-event',
  'alert-event',
  'queue-event',
  'log-event',
  'notice',
  'receipt',
  'outcome',
  'reject',
  'collect-cursor',
  'mark',
  'parked-event',
  'letter',
  'gathering',
  'command',
  'dead-letter',
  'bucket',
  'turnstile',
  'open-work',
  'suppression',
]

const folder = new URL('./', import.meta.url)
const history = new URL('history/', folder)

/** The .avsc files as they stand, by schema name. */
export const definitions: ReadonlyMap<string, object> = new Map(
  files.map((file) => {
    const schema = JSON.parse(readFileSync(new URL(`${file}.avsc`, folder), 'utf8')) as { name: string }
    return [schema.name, schema]
  }),
)

/** Schemas whose types a schema names without defining them, in an order in which each can be read. */
const uses: Readonly<Record<string, readonly string[]>> = {
  AlertEvent: ['FlowEvent'],
  QueueEvent: ['FlowEvent'],
  LogEvent: ['FlowEvent'],
  Notice: ['FlowEvent', 'AlertEvent'],
  ParkedEvent: ['RawEvent'],
  DeadLetter: ['Letter'],
}

const text = textType()

type TypeHook = NonNullable<avro.ForSchemaOptions['typeHook']>

/** The type that stands in the place of avsc's own; undefined: that one does. */
export const typeHook = (schema: avro.Schema): avro.Type | undefined => (schema === 'string' ? text : undefined)

/** The type of a schema, and of those that it names, with other types in it where a hook says so. */
export const parse = (schema: object, hook: TypeHook = typeHook): avro.Type => {
  const registry: Record<string, avro.Type> = {}
  const options = { registry, wrapUnions: false, omitRecordMethods: true, typeHook }
  for (const name of uses[(schema as { name: string }).name] ?? []) {
    const type = avro.Type.forSchema(definitions.get(name) as avro.Schema, options)
    registry[type.name as string] = copyingType(type)
  }
  return avro.Type.forSchema(schema as avro.Schema, { ...options, typeHook: hook })
}

/** The present schemas, by name. */
export const presentTypes: ReadonlyMap<string, avro.Type> = new Map(
  [...definitions].map(([name, schema]) => [name, parse(schema)]),
)

/** Parsing Canonical Form of each present schema, and the file of history/ that keeps it. */
export const canonicalForms = (): ReadonlyMap<string, { file: URL; text: string }> =>
  new Map(
    [...presentTypes].map(([name, type]) => {
      const text = canonicalForm(type)
      return [
        name,
        { file: new URL(`${name}.${fingerprint(text).toString(16).padStart(16, '0')}.avsc`, history), text },
      ]
    }),
  )

export const canonicalForm = (type: avro.Type): string => JSON.stringify(type.schema())

/** Every schema that ever wrote a record, as kept in history/. */
export const writtenForms = (): readonly { name: string; text: string }[] =>
  readdirSync(history)
    .filter((file) => file.endsWith('.avsc'))
    .sort()
    .map((file) => ({ name: file.slice(0, file.indexOf('.')), text: readFileSync(new URL(file, history), 'utf8') }))
