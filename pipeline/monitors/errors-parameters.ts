import { dedupMs } from '../../operators/counted-window.ts'
import type { IncludeRow, LogRow } from '../../operators/log-table.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import { type Parameter, readParameters, type Reading, text, type ValuesOf, whole } from '../config/parameters.ts'
import type { Path } from '../config/problem.ts'
import { patternCell, type Row, table } from '../config/table-parameter.ts'
import { orReady } from './ready-errors.ts'

const dayS = 86_400
/** What is remembered of alerts is kept for at least so long. */
const longestWindowS = 30 * dayS

/** What an alert of these monitors says of its line, whatever a table's columns are called. */
const ownKeys = ['Level', 'Error', 'Artifact', 'Log timestamp']
/** Arguments of `alert()` that say whether and how it is sent. */
const reserved = ['name', 'dedup', 'condition']
/** What a column of these names held would be taken for what the alert is about. */
const subjects = ['ClientId', 'FlowId', 'ArtifactType']

/** Why nothing that a table adds to an alert may be called so; null: it may. */
const refuse = (name: string): string | null => {
  if (reserved.includes(name))
    return `a column may not be called ${name}: alert() takes that for an argument of its own, so name it otherwise`
  if (subjects.includes(name))
    return `a column may not be called ${name}: the alert would be taken to be about what stands there, so name it otherwise`
  return null
}

const patternColumns = ['Artifact', 'Level', 'Message'] as const
type PatternColumn = (typeof patternColumns)[number]

const logRow = <C extends string>(row: Row<C | PatternColumn>): LogRow | undefined => {
  const artifact = patternCell<C | PatternColumn>(row, 'Artifact')
  const level = patternCell<C | PatternColumn>(row, 'Level')
  const message = patternCell<C | PatternColumn>(row, 'Message')
  return artifact === undefined || level === undefined || message === undefined
    ? undefined
    : { artifact, level, message }
}

const includeTable = table({
  description:
    'Which lines become alerts: patterns for Artifact, Level and Message (blank: any), the Severity of the alert, and any further column as a row of its context. The first row that matches counts',
  columns: [...patternColumns, 'Severity'],
  further: {
    needed: patternColumns,
    refuse: (name) =>
      name === 'Error' || name === 'Log timestamp'
        ? `a column may not be called ${name}: every alert says that of its line, so name it otherwise`
        : refuse(name),
  },
  readRow(row): IncludeRow | undefined {
    const read = logRow(row)
    return read === undefined ? undefined : { ...read, severity: row.cell('Severity').trim(), extra: row.further }
  },
})

const excludeTable = table({
  description: 'Which of them do not, after all: patterns for Artifact, Level and Message (blank: any)',
  columns: patternColumns,
  further: { needed: patternColumns, refuse: () => null },
  readRow: logRow<never>,
})

const severityField: Parameter<string> = {
  ...text('Severity', "The alert's key for the severity of the row; blank: none"),
  read(value, path, reading) {
    const read = text('', '').read(value, path, reading)?.trim()
    if (read === undefined) return undefined
    const problem = ownKeys.includes(read) ? `the alert says something else under ${read}` : refuse(read)
    if (problem !== null) return void reading.report(path, problem)
    return read
  },
}

const pattern = (artifact: string, level = '.+', message = '.+'): LogRow => ({
  artifact: compilePattern(artifact),
  level: compilePattern(level),
  message: compilePattern(message),
})

const parametersWith = (exclude: readonly LogRow[]) => ({
  Period: whole(60, 'Least seconds between two readings of the logs', { least: 0, most: dayS }),
  DedupInterval: whole(
    3600,
    'Seconds for which errors of an artifact with the same severity are only counted after an alert, 30 days at most; 0: 7200, negative: every line is an alert',
    { cap: longestWindowS },
  ),
  IncludeFilter: orReady({ ...includeTable, fallback: [{ ...pattern('.+', 'ERROR'), severity: 'medium', extra: [] }] }),
  ExcludeFilter: { ...excludeTable, fallback: exclude },
  SeverityField: severityField,
})

/** The parameters of Server.Monitor.Errors.Alert under the artifact's own names. Its patterns of artifacts begin where the names begin. */
export const serverErrorsParameters = parametersWith([
  pattern(String.raw`^Server\.Monitor\.Alerts$`),
  pattern(String.raw`^Server\.Monitor\.Alerts\.UserMessage$`),
  pattern(String.raw`^Server\.Monitor\.Errors\.Alert$`),
])

/** The parameters of Server.Monitor.Client.Errors.Alert under the artifact's own names. */
export const clientErrorsParameters = parametersWith([pattern(String.raw`^Generic\.Client\.Stats$`)])

/** Parameters of both, ready to use: `Period` at least 1; `dedupMs` is what `DedupInterval` means, null: none. */
export type ErrorsParameters = Omit<ValuesOf<typeof serverErrorsParameters>, 'DedupInterval'> & {
  readonly dedupMs: number | null
}

/** Reads the parameters of one of the two; reports everything that is wrong or looks unmeant. null when there was an error. */
export const readErrorsParameters = (
  parameters: typeof serverErrorsParameters,
  value: unknown,
  path: Path,
  reading: Reading,
): ErrorsParameters | null => {
  const read = readParameters(parameters, value, path, reading)
  if (read === null) return null
  if (read.IncludeFilter.length === 0)
    reading.report([...path, 'IncludeFilter'], 'has no row: no line becomes an alert', { level: 'warning' })
  const { Period, DedupInterval, ...tables } = read
  return { ...tables, Period: Math.max(1, Period), dedupMs: dedupMs(DedupInterval) }
}
