import type { Verdict } from '../../schemas/generated.ts'
import type { Tell } from '../../schemas/happenings.ts'

/** Tells how many verdicts of each kind each monitor gave in a turn, to be measured. */
export const countVerdicts = (verdicts: readonly Verdict[], tell: Tell): void => {
  const byKind = Map.groupBy(verdicts, ({ monitor, outcome }) => `${outcome}/${monitor}`)
  for (const [{ monitor, artifact, outcome }, ...others] of byKind.values() as Iterable<[Verdict, ...Verdict[]]>)
    tell({ name: 'event judged', monitor, artifact, outcome, count: 1 + others.length })
}
