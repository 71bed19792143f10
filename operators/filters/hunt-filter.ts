import type { FlowEvent } from '../../schemas/generated.ts'
import { huntOf, isFailed } from '../flow-facts.ts'
import type { Filter } from '../object-to.ts'

export interface HuntRule {
  /** Let flows of hunts through. */
  readonly letHunts: boolean
  /** Let failed flows of hunts through. */
  readonly exceptFailed: boolean
}

/** Objects to flows that a hunt made. */
export const huntFilter =
  ({ letHunts, exceptFailed }: HuntRule): Filter<FlowEvent> =>
  (event) => {
    const hunt = huntOf(event.flow.id)
    if (hunt === null || letHunts || (exceptFailed && isFailed(event))) return null
    return { by: 'hunt', reason: `the flow belongs to hunt ${hunt}${exceptFailed ? ' and did not fail' : ''}` }
  }
