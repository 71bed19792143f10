import { firstMatch } from '../schemas/pattern-set.ts'
import type { Pattern } from '../schemas/pattern.ts'
import { remembering } from '../schemas/remembering.ts'

/** A line of the log of an event query. */
export interface LogLine {
  /** The artifact whose log it is, its source behind a slash if it has one. */
  readonly artifact: string
  readonly level: string
  readonly message: string
}

/** A row of a table about log lines; what is blank matches anything. */
export interface LogRow {
  readonly artifact: Pattern
  readonly level: Pattern
  readonly message: Pattern
}

/** A row that chooses lines. */
export interface IncludeRow extends LogRow {
  /** Empty: none. */
  readonly severity: string
  /** Its cells in all other columns, in order. */
  readonly extra: readonly (readonly [column: string, text: string])[]
}

/** What is said of a line by the first row that chooses it: its severity (empty: none), and its further cells but for blank ones. */
export type LogMatch = Pick<IncludeRow, 'severity' | 'extra'>

/** Which lines of logs count. */
export interface LogTable {
  readonly include: readonly IncludeRow[]
  /** Lines that one of these matches do not count. */
  readonly exclude: readonly LogRow[]
}

/** What goes wrong in telling alerts, or in making them of log lines, would be told in the same way and go wrong again. */
const notifying = [
  'Server.Monitor.Alerts',
  'Server.Monitor.Alerts.UserMessage',
  'Server.Monitor.Errors.Alert',
  'Server.Monitor.Client.Errors.Alert',
]

/** Whether an artifact is one of the server's own that tell alerts or make them of logs, or a source of one; their copies under other names are not. */
export const isNotifying = (artifact: string): boolean =>
  notifying.some((name) => artifact === name || artifact.startsWith(`${name}/`))

type Answer = (message: string) => LogMatch | null

const none: Answer = () => null

const said = ({ severity, extra }: IncludeRow): LogMatch => ({
  severity,
  extra: extra.filter(([, text]) => text.trim() !== ''),
})

const answerBy = (include: readonly IncludeRow[], exclude: readonly LogRow[]): Answer => {
  if (include.length === 0) return none
  const matches = include.map(said)
  const chosenBy = firstMatch(include.map(({ message }) => message))
  const rejectedBy = firstMatch(exclude.map(({ message }) => message))
  return (message) => {
    const match = matches[chosenBy(message)]
    return match === undefined || rejectedBy(message) >= 0 ? null : match
  }
}

const mostLevels = 16
const mostChoices = 64

interface Place<R extends LogRow> {
  readonly row: R
  readonly place: number
}

/** The rows of a table that may still match when parts of a line are known. */
interface Choice {
  readonly include: readonly Place<IncludeRow>[]
  readonly exclude: readonly Place<LogRow>[]
}

const placed = <R extends LogRow>(rows: readonly R[]): readonly Place<R>[] => rows.map((row, place) => ({ row, place }))

const narrowed = ({ include, exclude }: Choice, cell: 'artifact' | 'level', value: string): Choice => {
  const isOpen = ({ row }: Place<LogRow>): boolean => row[cell].matches(value)
  return { include: include.filter(isOpen), exclude: exclude.filter(isOpen) }
}

const placesOf = (places: readonly Place<LogRow>[]): string => places.map(({ place }) => place).join()

/** One answer for each choice of rows, as most artifacts leave the same ones; the last choices are kept. */
const answers = () => {
  let known = new Map<string, Answer>()
  return ({ include, exclude }: Choice): Answer => {
    const key = `${placesOf(include)}/${placesOf(exclude)}`
    const before = known.get(key)
    if (before !== undefined) return before
    if (known.size >= mostChoices) known = new Map()
    const answer = answerBy(
      include.map(({ row }) => row),
      exclude.map(({ row }) => row),
    )
    known.set(key, answer)
    return answer
  }
}

/**
 * Judges log lines by a table: the first row of `include` that matches counts, unless a row of `exclude` matches too or the artifact is
 * one that notifies; null: the line does not count. Its time is linear in the line.
 */
export const logTable = ({ include, exclude }: LogTable): ((line: LogLine) => LogMatch | null) => {
  const answerFor = answers()
  const whole: Choice = { include: placed(include), exclude: placed(exclude) }
  const byArtifact = remembering((artifact) => {
    const left = narrowed(whole, 'artifact', artifact)
    return remembering((level) => answerFor(narrowed(left, 'level', level)), { most: mostLevels })
  })
  return ({ artifact, level, message }) => (isNotifying(artifact) ? null : byArtifact(artifact)(level)(message))
}
