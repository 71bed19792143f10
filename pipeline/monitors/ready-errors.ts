import { readFileSync } from 'node:fs'
import { z } from 'zod'
import type { IncludeRow } from '../../operators/log-table.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import { nearest } from '../config/did-you-mean.ts'
import type { Parameter, Reading } from '../config/parameters.ts'
import type { Path } from '../config/problem.ts'
import { parseServerCsv } from '../config/server-csv.ts'

/** What stands in the place of a table, or of a row of one, for the rows that come with the relay. */
export const readyWord = 'ready'

const rowsIn = (csv: string): readonly IncludeRow[] => {
  const [, ...rows] = parseServerCsv(csv).rows
  return rows.map(({ cells: [artifact = '', level = '', message = '', severity = '', explanation = ''] }) => ({
    artifact: compilePattern(artifact),
    level: compilePattern(level),
    message: compilePattern(message),
    severity,
    extra: [['Explanation', explanation]],
  }))
}

let read: readonly IncludeRow[] | undefined

/**
 * Rows for what Velociraptor says when something goes wrong, much of it at level DEFAULT, each with its severity and an explanation; the
 * last one takes every other line of level ERROR. They are `ready-errors.csv` beside this file, in the form of the artifact's own
 * parameter.
 */
export const readyErrors = (): readonly IncludeRow[] =>
  (read ??= rowsIn(readFileSync(new URL('ready-errors.csv', import.meta.url), 'utf8')))

const isReady = (value: unknown): boolean => typeof value === 'string' && value.trim() === readyWord

/** For a part of a list that begins at a place: what is said of its items is said of the list's. */
const readingFrom = (start: number, path: Path, { report, writtenAt }: Reading): Reading => {
  const placed = (within: Path): Path => {
    const place = within[path.length]
    return typeof place === 'number' ? [...path, place + start, ...within.slice(path.length + 1)] : within
  }
  return {
    report: (within, ...rest) => report(placed(within), ...rest),
    writtenAt: (within) => writtenAt(placed(within)),
  }
}

const readParts = (
  parameter: Parameter<readonly IncludeRow[]>,
  list: readonly unknown[],
  path: Path,
  reading: Reading,
): readonly IncludeRow[] | undefined => {
  const parts: (readonly IncludeRow[] | undefined)[] = []
  let start = 0
  const upTo = (end: number): void => {
    if (end > start) parts.push(parameter.read(list.slice(start, end), path, readingFrom(start, path, reading)))
    start = end + 1
  }
  list.forEach((item, place) => {
    if (!isReady(item)) return
    upTo(place)
    parts.push(readyErrors())
  })
  upTo(list.length)
  return parts.includes(undefined) ? undefined : parts.flatMap((rows) => rows ?? [])
}

/**
 * A table of log lines that may be written as `ready`, or hold `ready` between rows of its own, which then stand before or behind the
 * ready ones.
 */
export const orReady = (parameter: Parameter<readonly IncludeRow[]>): Parameter<readonly IncludeRow[]> => ({
  fallback: parameter.fallback,
  schema: z
    .union([
      z.literal(readyWord),
      parameter.schema,
      z.array(z.union([z.literal(readyWord), z.record(z.string(), z.unknown())])),
    ])
    .meta({
      ...parameter.schema.meta(),
      description: `${parameter.schema.meta()?.description ?? ''}. The word ${readyWord}, alone or between rows, stands for the rows that come with the relay`,
    }),
  read(value, path, reading) {
    if (isReady(value)) return readyErrors()
    if (typeof value === 'string' && nearest(value.trim(), [readyWord]) !== undefined)
      return void reading.report(path, `must be a table, or the word ${readyWord}: did you mean that?`)
    return Array.isArray(value) ? readParts(parameter, value, path, reading) : parameter.read(value, path, reading)
  },
})
