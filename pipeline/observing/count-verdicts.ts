import type { Verdict } from '../../schemas/generated.ts'
import type { Tell } from '../../schemas/happenings.ts'

/** Tells how many verdicts of each kind each monitor gave in a turn, to be measured. */
export const countVerdicts = (verdictsOfEvents: readonly (readonly Verdict[])[], tell: Tell): void => {
  const byMonitor = new Map<string, Map<Verdict['outcome'], { readonly verdict: Verdict; count: number }>>()
  for (const verdicts of verdictsOfEvents)
    for (const verdict of verdicts) {
      const { monitor, outcome } = verdict
      let byOutcome = byMonitor.get(monitor)
      if (byOutcome === undefined) byMonitor.set(monitor, (byOutcome = new Map()))
      const counted = byOutcome.get(outcome)
      if (counted === undefined) byOutcome.set(outcome, { verdict, count: 1 })
      else counted.count++
    }
  for (const byOutcome of byMonitor.values())
    for (const [outcome, { verdict, count }] of byOutcome)
      tell({ name: 'event judged', monitor: verdict.monitor, artifact: verdict.artifact, outcome, count })
}
