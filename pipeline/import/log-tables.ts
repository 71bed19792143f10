import { parseServerCsv } from '../config/server-csv.ts'

const needed = ['Artifact', 'Level', 'Message']
/** The artifact writes over these itself. */
const overwritten = ['name', 'dedup', 'Error', 'Log timestamp']
/** To the server more than a row of the context. */
const steering = ['condition', 'ClientId', 'FlowId', 'ArtifactType']

interface Table {
  readonly names: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** null: it cannot be read, or is empty. */
const tableIn = (csv: string): Table | null => {
  const { rows, fault } = parseServerCsv(csv)
  const [header, ...body] = rows
  if (fault !== null || header === undefined) return null
  const names = header.cells.map((name) => name.trim())
  return { names, rows: body.map(({ cells }) => names.map((_, n) => cells[n] ?? '')) }
}

const cellText = (cell: string): string => (/^\s|[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)

const csvOf = ({ names, rows }: Table): string =>
  [names, ...rows].map((cells) => `${cells.map(cellText).join(',')}\n`).join('')

const has = (csv: string | undefined, says: (table: Table) => boolean): boolean => {
  const table = csv === undefined ? null : tableIn(csv)
  return table !== null && says(table)
}

const typed = /^(?:true|false|-?\d+(?:\.\d+)?|\{.*\}|\[.*\]|base64:.*)$/is

/** Whether the server takes a cell of a table for something else than text. */
export const hasTypedCell = (csv: string | undefined): boolean =>
  has(csv, ({ rows }) => rows.some((cells) => cells.some((cell) => typed.test(cell.trim()))))

/** Whether a table of log lines lacks one of the columns that are compared. */
export const lacksColumn = (csv: string | undefined): boolean =>
  has(csv, ({ names }) => needed.some((name) => !names.includes(name)))

/** Whether a table of log lines says no severity. */
export const lacksSeverity = (csv: string | undefined): boolean => has(csv, ({ names }) => !names.includes('Severity'))

/** Whether a column of a table does more on the server than being shown. */
export const hasSteeringColumn = (csv: string | undefined): boolean =>
  has(csv, ({ names }) => names.some((name) => steering.includes(name)))

/**
 * The table of log lines that does here what the one given does on the server, and nothing more: the compared columns are all there,
 * what the artifact writes over is left out, and what would steer the alert is only shown. null: it is that already, or is no table.
 */
export const logTableHere = (csv: string): string | null => {
  const table = tableIn(csv)
  if (table === null) return null
  const missing = needed.filter((name) => !table.names.includes(name))
  const kept = table.names.flatMap((name, n) => (overwritten.includes(name) ? [] : [{ name, n }]))
  if (missing.length === 0 && kept.length === table.names.length && !hasSteeringColumn(csv)) return null
  return csvOf({
    names: [...missing, ...kept.map(({ name }) => (steering.includes(name) ? `${name} (column)` : name))],
    rows: table.rows.map((cells) => [...missing.map(() => ''), ...kept.map(({ n }) => cells[n] ?? '')]),
  })
}
