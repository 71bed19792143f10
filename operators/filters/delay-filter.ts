import type { FlowEvent } from '../../schemas/generated.ts'
import { delayOf, isFailed } from '../flow-facts.ts'
import type { Filter } from '../object-to.ts'

export interface DelayRule {
  /** Least seconds from creation to completion, inclusive; 0: any. */
  readonly thresholdS: number
  /** Failed flows pass however quick they were. */
  readonly exceptFailed: boolean
}

/** Objects to flows that completed so soon that whoever started them still looks. */
export const delayFilter =
  ({ thresholdS, exceptFailed }: DelayRule): Filter<FlowEvent> =>
  (event) => {
    if (thresholdS <= 0 || (exceptFailed && isFailed(event))) return null
    const delay = delayOf(event)
    if (delay >= thresholdS) return null
    return { by: 'delay', reason: `completed ${delay} s after its creation, which is less than ${thresholdS} s` }
  }
