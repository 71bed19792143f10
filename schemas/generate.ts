/** Writes generated.ts from the .avsc files, or with `--check` fails when it is out of date. With `--history` keeps every present schema in history/. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { canonicalForms, definitions } from './definitions.ts'

type Schema = string | readonly Schema[] | SchemaObject
interface SchemaObject {
  readonly type: Schema
  readonly name?: string
  readonly doc?: string
  readonly symbols?: readonly string[]
  readonly items?: Schema
  readonly values?: Schema
  readonly fields?: readonly { name: string; type: Schema; doc?: string }[]
}

const primitives: Record<string, string> = {
  null: 'null',
  boolean: 'boolean',
  int: 'number',
  long: 'number',
  float: 'number',
  double: 'number',
  string: 'string',
  bytes: 'Uint8Array',
}

const written = new Map<string, string>()

const comment = (doc: string | undefined, indent = ''): string => (doc === undefined ? '' : `${indent}/** ${doc} */\n`)

const typeOf = (schema: Schema): string => {
  if (typeof schema === 'string') return primitives[schema] ?? schema
  if (Array.isArray(schema)) return (schema as readonly Schema[]).map(typeOf).join(' | ')
  const object = schema as SchemaObject
  if (object.type === 'array') return `readonly ${wrap(typeOf(object.items ?? 'null'))}[]`
  if (object.type === 'map') return `Readonly<Record<string, ${typeOf(object.values ?? 'null')}>>`
  if (object.type === 'enum')
    return declare(
      object,
      `export type ${object.name} = ${(object.symbols ?? []).map((symbol) => `'${symbol}'`).join(' | ')}\n`,
    )
  if (object.type === 'record') {
    const fields = (object.fields ?? []).map(
      ({ name, type, doc }) => `${comment(doc, '  ')}  readonly ${name}: ${typeOf(type)}\n`,
    )
    return declare(object, `export interface ${object.name} {\n${fields.join('')}}\n`)
  }
  return typeOf(object.type)
}

const wrap = (type: string): string => (type.includes(' | ') ? `(${type})` : type)

const declare = (schema: SchemaObject, text: string): string => {
  const name = schema.name as string
  written.set(name, comment(schema.doc) + text)
  return name
}

for (const definition of definitions.values()) typeOf(definition as Schema)
const names = [...definitions.keys()]
const source = [
  '// Generated from the .avsc files by `npm run generate`. Do not edit.\n',
  ...written.values(),
  `/** Every schema by its name. */\nexport interface Schemas {\n${names.map((name) => `  readonly ${name}: ${name}\n`).join('')}}\n`,
].join('\n')

const target = new URL('generated.ts', import.meta.url)
if (process.argv.includes('--check')) {
  const isSame = existsSync(target) && readFileSync(target, 'utf8') === source
  const missing = [...canonicalForms()].filter(([name, { file }]) => !existsSync(file) && name)
  for (const [name] of missing) console.error(`schemas/history lacks the present form of ${name}: run npm run generate`)
  if (!isSame) console.error('schemas/generated.ts is out of date: run npm run generate')
  process.exit(isSame && missing.length === 0 ? 0 : 1)
}
writeFileSync(target, source)
for (const { file, text } of canonicalForms().values()) if (!existsSync(file)) writeFileSync(file, text)
