import type { FlowEvent } from '../../schemas/generated.ts'
import { isCancelled } from '../flow-facts.ts'
import type { Filter } from '../object-to.ts'

export interface CancelledRule {
  readonly ignoreCancelled: boolean
}

/** Objects to flows that a person cancelled. */
export const cancelledFilter =
  ({ ignoreCancelled }: CancelledRule): Filter<FlowEvent> =>
  (event) =>
    ignoreCancelled && isCancelled(event)
      ? { by: 'cancelled', reason: `the flow was cancelled: ${event.flow.status.trim()}` }
      : null
