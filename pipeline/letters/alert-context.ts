import { splitMembers, splitRows } from '../../connectors/velociraptor/split-rows.ts'
import type { AlertEvent, AlertLetterOptions } from '../../schemas/generated.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import type { Row } from './letter.ts'
import { elideMiddle, elideRight } from './texts.ts'

/** Rows of what else an alert said, and how many there are. */
export interface ContextRows {
  readonly rows: readonly Row[]
  readonly total: number
}

/** Key and the JSON text of a value, as it was written. */
type Entry = readonly [key: string, json: string]

/** Keys have so many segments; what lies deeper stands as JSON text under the last. */
const MOST_SEGMENTS = 10
/** What an alert of the server, or of ours, may say that it is about: elsewhere in the letter it stands as this. */
const SUBJECTS: ReadonlyMap<string, (event: AlertEvent) => string> = new Map([
  ['ClientId', ({ client }) => client.id],
  ['FlowId', ({ flow_id }) => flow_id],
  ['Artifact', ({ artifact }) => artifact],
  ['ArtifactType', ({ artifact_type }) => artifact_type],
])

const isObject = (json: string): boolean => json.startsWith('{')
const isList = (json: string): boolean => json.startsWith('[')

const membersOf = (json: string): readonly Entry[] =>
  isObject(json) ? splitMembers(json) : splitRows(json).map((item, index) => [String(index), item] as const)

/** Every value that is neither list nor object, with the way to it as key; empty lists, objects and keys vanish. */
const flattened = (json: string, path: readonly string[]): readonly Entry[] => {
  if (!isObject(json) && !isList(json)) return [[path.join('.'), json]]
  const members = membersOf(json)
  if (path.length >= MOST_SEGMENTS && members.length > 0) return [[path.join('.'), json]]
  return members.flatMap(([key, value]) => (key === '' ? [] : flattened(value, [...path, key])))
}

/** A repeated key keeps its last value, and the place of that. */
const unique = (entries: readonly Entry[]): readonly Entry[] => {
  const kept = new Map<string, string>()
  for (const [key, json] of entries) {
    kept.delete(key)
    kept.set(key, json)
  }
  return [...kept]
}

// The server writes these of texts as escapes, which nobody wants to read.
const ESCAPED: Readonly<Record<string, string>> = { '\\u003c': '<', '\\u003e': '>', '\\u0026': '&' }
const readable = (json: string): string =>
  json.replaceAll(/\\\\|\\u00(?:3c|3e|26)/g, (found) => ESCAPED[found] ?? found)

const textOf = (json: string): string => {
  if (json === 'null') return ''
  return json.startsWith('"') ? String(JSON.parse(json)) : readable(json)
}

const isEmpty = (json: string): boolean =>
  json === 'null' || json === '""' || ((isObject(json) || isList(json)) && membersOf(json).length === 0)

const entriesOf = (json: string, flatten: boolean): readonly Entry[] => {
  if (isObject(json)) return unique(flatten ? flattened(json, []) : splitMembers(json).filter(([key]) => key !== ''))
  if (json === 'null') return []
  return flatten && isList(json) ? flattened(json, []) : [['event_data', json]]
}

/**
 * What else an alert said, as rows: flattened, without what stands elsewhere in the letter and what is empty, chosen by key,
 * shortened, and limited in number; in the order in which it was said.
 */
export function contextRows(event: AlertEvent, options: AlertLetterOptions): ContextRows {
  const { severity, severity_members: members, keep_empty_rows: keepEmpty } = options
  const include = compilePattern(options.context_include)
  const exclude = compilePattern(options.context_exclude)
  const mayOverride = event.reported_by === 'server' || event.derived_from !== null
  // A column of a queue may be called so and say something else.
  const isSubject = (key: string, text: string): boolean => {
    const subject = mayOverride ? SUBJECTS.get(key)?.(event) : undefined
    return subject !== undefined && (text === '' || text === subject)
  }
  const standsElsewhere = (key: string, text: string): boolean =>
    isSubject(key, text) || (members.includes(key) && text === severity && severity !== '')
  const shown = entriesOf(event.event_data.trim(), options.flatten)
    .filter(([key, json]) => !standsElsewhere(key, textOf(json)))
    .filter(([, json]) => keepEmpty || !isEmpty(json))
    .filter(([key]) => (include.isBlank || include.matches(key)) && (exclude.isBlank || !exclude.matches(key)))
  const rows = shown.slice(0, options.most_rows).map(([key, json]) => ({
    name: elideMiddle(key, options.longest_key),
    value: elideRight(textOf(json), options.longest_value),
  }))
  return { rows, total: shown.length }
}
