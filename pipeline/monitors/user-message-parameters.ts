import { pattern, readParameters, type Reading, type ValuesOf } from '../config/parameters.ts'
import type { Path } from '../config/problem.ts'

/** The parameters of Server.Monitor.Alerts.UserMessage under the artifact's own names. */
export const userMessageParameters = {
  Recipients: pattern('.+', 'Users whose name matches are told'),
  RecipientRoles: pattern('^administrator$', 'At least one role given to a user must match; blank: any and none'),
  AlertMsgInclude: pattern('.+', "The alert's name must match; blank: any"),
  AlertMsgExclude: pattern('', "The alert's name must not match; blank: none is left out"),
}

/** Parameters of Server.Monitor.Alerts.UserMessage, ready to use; messages are not spaced. */
export type UserMessageParameters = ValuesOf<typeof userMessageParameters> & { readonly SendInterval: -1 }

/** Reads the parameters; reports everything that is wrong. null when there was an error. */
export const readUserMessageParameters = (
  value: unknown,
  path: Path,
  reading: Reading,
): UserMessageParameters | null => {
  const read = readParameters(userMessageParameters, value, path, reading)
  return read === null ? null : { ...read, SendInterval: -1 }
}
