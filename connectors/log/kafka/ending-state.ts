import { ConnectorError } from '../../errors.ts'
import type { TaskState } from '../event-log.ts'

/** State that says when its copy on this machine cannot be kept now (LOG_UNAVAILABLE), before the reader learns it: the task must end then. */
export const endingState = (state: TaskState, onUnavailable: (error: ConnectorError) => void): TaskState => {
  const watch = (cause: unknown): unknown => {
    if (cause instanceof ConnectorError && cause.code === 'LOG_UNAVAILABLE') onUnavailable(cause)
    return cause
  }
  return {
    get(key) {
      try {
        return state.get(key)
      } catch (cause) {
        throw watch(cause)
      }
    },
    *range(from, to) {
      try {
        yield* state.range(from, to)
      } catch (cause) {
        throw watch(cause)
      }
    },
  }
}
