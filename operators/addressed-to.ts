import { map, type MonoTypeOperatorFunction } from 'rxjs'
import type { Recipient } from '../schemas/generated.ts'
import { isStanding, type Judgement } from './judgement.ts'

export interface Addressed {
  readonly recipients: readonly Recipient[]
  /** What was left out, and why; without addresses. */
  readonly warnings: readonly string[]
}

/** Adds the recipients to each event that is to be told. */
export const addressedTo = <E>(recipientsOf: (event: E) => Addressed): MonoTypeOperatorFunction<Judgement<E>> =>
  map((judgement) => {
    if (!isStanding(judgement)) return judgement
    const { recipients, warnings } = recipientsOf(judgement.event)
    return { ...judgement, recipients, warnings: [...judgement.warnings, ...warnings] }
  })
