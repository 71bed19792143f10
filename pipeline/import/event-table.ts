import { isRecord } from '../config/is-record.ts'

/** An artifact of a table of server events, with the parameters that somebody set. */
export interface TableEntry {
  readonly artifact: string
  /** As they stand there: the server's texts, or what was pasted. */
  readonly parameters: ReadonlyMap<string, unknown>
}

const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((each) => typeof each === 'string' && each !== '') : []

/** Parameters as the server lists them, `env: [{ key, value }]`, or as a mapping; null: neither. */
export const parametersOf = (value: unknown): ReadonlyMap<string, unknown> | null => {
  if (value === undefined || value === null) return new Map()
  const list = isRecord(value) && Object.hasOwn(value, 'env') ? value['env'] : value
  if (isRecord(list)) return new Map(Object.entries(list))
  if (!Array.isArray(list)) return list === null ? new Map() : null
  const pairs = list.map((item: unknown) =>
    isRecord(item) && typeof item['key'] === 'string' ? ([item['key'], item['value'] ?? ''] as const) : null,
  )
  return pairs.includes(null) ? null : new Map(pairs.filter((pair) => pair !== null))
}

/** One entry of `specs`; null: it names no artifact, or its parameters cannot be read. */
export const entryOf = (spec: unknown): TableEntry | null => {
  if (!isRecord(spec) || typeof spec['artifact'] !== 'string' || spec['artifact'] === '') return null
  const parameters = parametersOf(spec['parameters'])
  return parameters === null ? null : { artifact: spec['artifact'], parameters }
}

/** Whether a value looks like what `get_server_monitoring()` gives. */
export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  isRecord(value) && (Array.isArray(value['artifacts']) || Array.isArray(value['specs']))

/**
 * The entries of a table as `get_server_monitoring()` gives it; those without parameters stand in its list of names alone. `unread`
 * counts specs that cannot be read.
 */
export const entriesOf = (
  table: Readonly<Record<string, unknown>>,
): { readonly entries: readonly TableEntry[]; readonly unread: number } => {
  const specs: readonly unknown[] = Array.isArray(table['specs']) ? table['specs'] : []
  const read = specs.map(entryOf)
  const withSpecs = read.filter((entry) => entry !== null)
  const named = new Set(withSpecs.map(({ artifact }) => artifact))
  const bare = [...new Set(texts(table['artifacts']))].filter((artifact) => !named.has(artifact))
  return {
    entries: [...withSpecs, ...bare.map((artifact) => ({ artifact, parameters: new Map() }))],
    unread: read.length - withSpecs.length,
  }
}
