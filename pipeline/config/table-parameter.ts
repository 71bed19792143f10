import { z } from 'zod'
import type { Pattern } from '../../schemas/pattern.ts'
import { instead } from './did-you-mean.ts'
import { isRecord } from './is-record.ts'
import { compiled, parseWhole, plainText } from './parameters.ts'
import type { Parameter, Reading } from './parameters.ts'
import type { Path, Problem } from './problem.ts'
import { shown } from './problem.ts'
import { parseServerCsv } from './server-csv.ts'

/** A row of a table. Problems of its cells are reported where the cell stands. */
export interface Row<C extends string> {
  /** Blank when left out. */
  cell(column: C): string
  /** What stands in further columns, in order; none where the table takes no such columns. */
  readonly further: readonly (readonly [column: string, text: string])[]
  report(column: C, message: string, level?: Problem['level']): void
}

/** Of a table that takes columns beside its own. */
interface FurtherColumns<C extends string> {
  /** Own columns that must be there, be their cells blank or not. */
  readonly needed: readonly C[]
  /** Why a column may not be called so; null: it may. */
  refuse(column: string): string | null
}

interface TableShape<C extends string, T> {
  readonly description: string
  readonly columns: readonly [C, ...C[]]
  /** A later row with the same text here is left out with a warning: the first wins. */
  readonly unique?: C
  /** Left out: no other column than its own. */
  readonly further?: FurtherColumns<C>
  /** What a row means; undefined when that was reported; null: nothing, the row is left out. */
  readRow(row: Row<C>): T | null | undefined
}

type Shape<C extends string> = Pick<TableShape<C, unknown>, 'columns' | 'further'>

const rowOf = <C extends string>(
  { columns }: Shape<C>,
  cells: ReadonlyMap<string, string>,
  report: Row<C>['report'],
): Row<C> => {
  const own: readonly string[] = columns
  return {
    cell: (column) => cells.get(column) ?? '',
    further: [...cells].filter(([column]) => !own.includes(column)),
    report,
  }
}

/** What is wrong with the columns of a table that stand in its first line; null: nothing. */
const headerProblem = <C extends string>({ columns, further }: Shape<C>, names: readonly string[]): string | null => {
  const known: readonly string[] = columns
  const strange = names.filter((name) => !known.includes(name))
  const [first] = strange
  if (first === undefined && further === undefined) return null
  if (further === undefined)
    return `its first line must be ${columns.join(',')}, but names ${shown(first ?? '')} (a list may be written instead of CSV)`
  const missing = further.needed.filter((name) => !names.includes(name))
  if (missing.length > 0)
    return `its first line must name ${further.needed.join(', ')}, but ${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing`
  const refused = strange.map((name) => further.refuse(name)).find((reason) => reason !== null)
  return refused ?? null
}

const csvRows = <C extends string>(
  shape: Shape<C>,
  written: string,
  path: Path,
  { report }: Reading,
): Row<C>[] | undefined => {
  const { rows, fault } = parseServerCsv(written)
  if (fault !== null) return void report(path, `is no CSV that can be read: ${fault}`)
  const [header, ...body] = rows
  if (header === undefined) return []
  const names = header.cells.map((name) => name.trim())
  const problem = headerProblem(shape, names)
  if (problem !== null) return void report(path, problem)
  return body.map(({ line, cells }) => {
    if (cells.slice(names.length).some((cell) => cell.trim() !== ''))
      report(
        path,
        `line ${line} has more cells than the header; the rest is left out (put a cell with a comma in quotes)`,
        {
          level: 'warning',
        },
      )
    return rowOf(
      shape,
      new Map(names.map((name, index) => [name, cells[index] ?? ''])),
      (column, message, level = 'error') => report(path, `line ${line}, ${column}: ${message}`, { level }),
    )
  })
}

const listRow = <C extends string>(
  shape: Shape<C>,
  item: unknown,
  path: Path,
  reading: Reading,
): Row<C> | undefined => {
  const { report } = reading
  const { columns, further } = shape
  const asText = item === null ? '' : plainText(item, path, reading)
  const [only] = columns
  if (asText !== undefined && only !== undefined && columns.length === 1)
    return rowOf(shape, new Map([[only, asText]]), (_column, message, level = 'error') =>
      report(path, message, { level }),
    )
  if (!isRecord(item))
    return void report(path, `must be ${columns.length === 1 ? 'text or ' : ''}{ ${columns.join(', ')} }`)
  const cells = new Map<string, string>()
  const known: readonly string[] = columns
  for (const [column, value] of Object.entries(item)) {
    const cellPath = [...path, column]
    const cell = value === null ? '' : plainText(value, cellPath, reading)
    const refused = known.includes(column)
      ? null
      : further === undefined
        ? `is no column of this table: ${instead(column, known)}`
        : further.refuse(column)
    if (refused !== null) report(cellPath, refused, { at: 'key' })
    else if (cell === undefined) report(cellPath, 'must be text')
    else cells.set(column, cell)
  }
  const at = (column: C): Path => (Object.hasOwn(item, column) ? [...path, column] : path)
  const missing = further?.needed.filter((column) => !Object.hasOwn(item, column)) ?? []
  for (const column of missing) report(path, `${column} is missing: write a pattern, or '' where any will do`)
  if (cells.size < Object.keys(item).length || missing.length > 0) return undefined
  return rowOf(shape, cells, (column, message, level = 'error') => report(at(column), message, { level }))
}

const rowsOf = <C extends string>(
  shape: Shape<C>,
  value: unknown,
  path: Path,
  reading: Reading,
): readonly (Row<C> | undefined)[] | undefined => {
  if (typeof value === 'string') return csvRows(shape, value, path, reading)
  if (Array.isArray(value)) return value.map((item, index) => listRow(shape, item, [...path, index], reading))
  return void reading.report(path, `must be a list of { ${shape.columns.join(', ')} }, or CSV text with that header`)
}

const tableSchema = <C extends string>({ columns, further }: Shape<C>, description: string): z.ZodType => {
  const cell = z.union([z.string(), z.number(), z.boolean()])
  const cells = Object.fromEntries(
    columns.map((column) => [column, further?.needed.includes(column) === true ? cell : cell.optional()]),
  )
  const row = further === undefined ? z.strictObject(cells) : z.object(cells).catchall(cell)
  const rows = z.array(columns.length === 1 ? z.union([cell, row]) : row)
  return z.union([rows, z.string()]).meta({ description, default: [] })
}

/** A table: a list of mappings by column, the server's CSV text, or (with one column) a list of texts. Blank rows are left out. */
export const table = <C extends string, T>({
  description,
  unique,
  readRow,
  ...shape
}: TableShape<C, T>): Parameter<readonly T[]> => ({
  fallback: [],
  schema: tableSchema(shape, description),
  read(value, path, reading) {
    const rows = rowsOf(shape, value, path, reading)
    if (rows === undefined) return undefined
    const seen = new Set<string>()
    const isRepeated = (row: Row<C>): boolean => {
      if (unique === undefined) return false
      const repeats = seen.has(row.cell(unique))
      if (repeats)
        row.report(unique, `an earlier row has the same ${unique}, and the first wins: this one is left out`, 'warning')
      seen.add(row.cell(unique))
      return repeats
    }
    const read = rows.map((row) => {
      if (row === undefined) return undefined
      const isBlank = shape.columns.every((column) => row.cell(column).trim() === '')
      return isBlank || isRepeated(row) ? null : readRow(row)
    })
    return read.includes(undefined) ? undefined : read.filter((each) => each !== null && each !== undefined)
  },
})

/** A pattern in a cell; blank cells give a blank pattern. */
export const patternCell = <C extends string>(row: Row<C>, column: C): Pattern | undefined =>
  compiled(row.cell(column), (message) => row.report(column, message))

/** A limit in a cell; blank or not above 0 means `most`, and so does more than that, with a warning. null: no limit. */
export const limitCell = <C extends string, M extends number | null>(
  row: Row<C>,
  column: C,
  most: M,
): number | M | undefined => {
  const written = row.cell(column).trim()
  const read = written === '' ? 0 : parseWhole(written)
  if (read === null) return void row.report(column, 'must be a whole number, or blank')
  if (read <= 0) return most
  if (most === null || read <= most) return read
  row.report(column, `is taken as ${most}, the most there can be`, 'warning')
  return most
}
