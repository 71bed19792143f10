import type { AlertEvent } from '../../schemas/generated.ts'
import type { Pattern } from '../../schemas/pattern.ts'
import type { Filter } from '../object-to.ts'

export interface MessageRule {
  /** The alert's name must match; blank: any. */
  readonly include: Pattern
  /** The alert's name must not match; blank: none is left out. */
  readonly exclude: Pattern
}

const longest = 200
const shown = (name: string): string => (name.length > longest ? `${name.slice(0, longest)}…` : name)

/** Objects to alerts by their name, which is the message that people read. */
export const messageFilter =
  ({ include, exclude }: MessageRule): Filter<AlertEvent> =>
  ({ name }) => {
    if (!include.isBlank && !include.matches(name))
      return { by: 'message', reason: `the alert's name does not match ${include.text}: ${shown(name)}` }
    if (!exclude.isBlank && exclude.matches(name))
      return { by: 'message', reason: `the alert's name matches ${exclude.text}, which is left out: ${shown(name)}` }
    return null
  }
