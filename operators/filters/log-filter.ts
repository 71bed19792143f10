import type { LogEvent } from '../../schemas/generated.ts'
import type { LogMatch } from '../log-table.ts'
import type { Filter } from '../object-to.ts'

const longest = 100

/** Objects to lines that the tables of a monitor do not choose. */
export const logFilter =
  (matchOf: (event: LogEvent) => LogMatch | null): Filter<LogEvent> =>
  (event) => {
    if (matchOf(event) !== null) return null
    const { artifact, level, message } = event
    const said = message.length > longest ? `${message.slice(0, longest).toWellFormed()}…` : message
    const what = `a line of ${artifact} at level ${level || '(none)'}: ${said}`
    return { by: 'log', reason: `no row of IncludeFilter chooses it, or one of ExcludeFilter rejects it: ${what}` }
  }
