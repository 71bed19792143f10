import { isRecord } from '../config/is-record.ts'
import { shown } from '../config/problem.ts'
import { parseServerCsv } from '../config/server-csv.ts'
import { entriesOf, entryOf, isTable, parametersOf, type TableEntry } from './event-table.ts'

/** What a pasted text holds; `problems` says what of it cannot be read, and what to do. */
export interface Pasted {
  readonly entries: readonly TableEntry[]
  readonly problems: readonly string[]
}

const howToName = 'say whose parameters they are: --artifact Server.Monitor.Alerts'
const nothing = (problem: string): Pasted => ({ entries: [], problems: [problem] })

const together = (parts: readonly Pasted[]): Pasted => ({
  entries: parts.flatMap(({ entries }) => entries),
  problems: parts.flatMap(({ problems }) => problems),
})

/** null: it is no JSON, nor JSON values line by line. */
const parsedJson = (text: string): readonly unknown[] | null => {
  for (const parts of [[text], text.split(/\r?\n/).filter((line) => line.trim() !== '')])
    try {
      return parts.map((part): unknown => JSON.parse(part))
    } catch {
      // Perhaps a value on each line.
    }
  return null
}

const isArtifactName = (key: string): boolean => /^\w+(\.\w+)+$/.test(key)

const fromValue = (value: unknown, artifact: string | null, depth = 0): Pasted => {
  if (isTable(value)) {
    const { entries, unread } = entriesOf(value)
    return { entries, problems: unread === 0 ? [] : [`${unread} of its specs cannot be read: they are left out`] }
  }
  const entry = entryOf(value)
  if (entry !== null) return { entries: [entry], problems: [] }
  if (Array.isArray(value) && value.length > 0 && parametersOf(value) === null)
    return together(value.map((item: unknown) => fromValue(item, artifact, depth + 1)))
  if (isRecord(value)) {
    const parts = Object.entries(value)
    const [only] = parts
    const isMapping = parts.length > 0 && parts.every(([key, part]) => isArtifactName(key) && isRecord(part))
    if (isMapping)
      return together(parts.map(([name, parameters]) => fromValue({ artifact: name, parameters }, null, depth + 1)))
    // A row of a query: { "M": { … } }
    if (depth < 3 && parts.length === 1 && only !== undefined && isTable(only[1])) return fromValue(only[1], artifact)
  }
  const parameters = typeof value === 'object' && value !== null ? parametersOf(value) : null
  if (parameters === null) return nothing('is neither a table of server events nor parameters of an artifact')
  return artifact === null ? nothing(howToName) : { entries: [{ artifact, parameters }], problems: [] }
}

const columnOf = (header: readonly string[], ...names: readonly string[]): number =>
  header.findIndex((cell) => names.includes(cell.trim().toLowerCase()))

const fromCsv = (text: string, artifact: string | null): Pasted => {
  const { rows, fault } = parseServerCsv(text)
  if (fault !== null) return nothing(`is no CSV that can be read: ${fault}`)
  const [header, ...body] = rows
  if (header === undefined) return nothing('is empty')
  const whose = columnOf(header.cells, 'artifact')
  const name = columnOf(header.cells, 'parameter', 'key', 'name')
  const value = columnOf(header.cells, 'value')
  if (name < 0 || value < 0)
    return nothing(
      `is CSV that begins with ${shown(header.cells.join(','))}: its first line must be Artifact,Parameter,Value, or Parameter,Value with --artifact`,
    )
  if (whose < 0 && artifact === null) return nothing(howToName)
  const byArtifact = new Map<string, Map<string, unknown>>()
  const problems: string[] = []
  for (const { line, cells } of body) {
    const owner = (whose < 0 ? artifact : cells[whose]?.trim()) ?? ''
    if (owner === '') {
      problems.push(`line ${line} names no artifact: it is left out`)
      continue
    }
    const parameters = byArtifact.get(owner) ?? new Map<string, unknown>()
    byArtifact.set(owner, parameters)
    const parameter = cells[name]?.trim() ?? ''
    if (parameter !== '') parameters.set(parameter, cells[value] ?? '')
  }
  return { entries: [...byArtifact].map(([owner, parameters]) => ({ artifact: owner, parameters })), problems }
}

/**
 * Reads a table of server events, or an artifact's parameters, pasted as JSON (also a value on each line) or as CSV with the columns
 * Artifact, Parameter, Value. `artifact`: whose parameters they are where the text does not say. Never throws.
 */
export const readPasted = (written: string, artifact: string | null): Pasted => {
  const text = written.replace(/^\uFEFF/, '').trim()
  if (text === '') return nothing('is empty')
  if (!/^[{[]/.test(text)) return fromCsv(text, artifact)
  const values = parsedJson(text)
  return values === null
    ? nothing('is no JSON: copy all of it, from the first bracket to the last')
    : together(values.map((value) => fromValue(value, artifact)))
}
