import type { Verdict } from '../../schemas/generated.ts'
import type { Tell } from '../../schemas/happenings.ts'

/** Counts verdicts by monitor and kind. */
export interface VerdictCounts {
  count(verdict: Verdict): void
  /** Tells them, to be measured. */
  tell(tell: Tell): void
}

/** Opens the counts of a turn. */
export const openVerdictCounts = (): VerdictCounts => {
  const byMonitor = new Map<string, Map<Verdict['outcome'], { readonly artifact: string; count: number }>>()
  return {
    count({ monitor, artifact, outcome }) {
      let byOutcome = byMonitor.get(monitor)
      if (byOutcome === undefined) byMonitor.set(monitor, (byOutcome = new Map()))
      const counted = byOutcome.get(outcome)
      if (counted === undefined) byOutcome.set(outcome, { artifact, count: 1 })
      else counted.count++
    },
    tell(tell) {
      for (const [monitor, byOutcome] of byMonitor)
        for (const [outcome, { artifact, count }] of byOutcome)
          tell({ name: 'event judged', monitor, artifact, outcome, count })
    },
  }
}
