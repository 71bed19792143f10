import type { MonoTypeOperatorFunction } from 'rxjs'
import type { Mark } from '../schemas/generated.ts'
import type { EpochMs } from '../schemas/time.ts'
import { isTold, type Judgement, repeating } from './judgement.ts'
import { withState, type StateStore, type Step } from './with-state.ts'

/** How events are known again. */
export interface RepeatRule<E> {
  /** What may be told once. */
  readonly identityOf: (event: E) => string
  /** The event's own id, kept as what a later repeat repeats. */
  readonly idOf: (event: E) => string
  readonly timeOf: (event: E) => EpochMs
  /** Why a repeat is not told. */
  readonly reason: string
}

const step =
  <E>({ idOf, reason }: RepeatRule<E>): Step<Mark, Judgement<E>, Judgement<E>> =>
  (told, judgement, now) => {
    if (!isTold(judgement)) return { state: told, outputs: [judgement] }
    if (told === undefined) return { state: { event: idOf(judgement.event), at: now }, outputs: [judgement] }
    return { state: told, outputs: [repeating(judgement, { event: told.event, reason })] }
  }

/** Marks as a repeat what was told before; only what is about to be told to somebody is remembered. */
export const withoutRepeats = <E>(
  store: StateStore<Mark>,
  rule: RepeatRule<E>,
): MonoTypeOperatorFunction<Judgement<E>> =>
  withState(
    store,
    // What is not told anyway needs no look at the past, and most is not.
    (judgement) => (isTold(judgement) ? rule.identityOf(judgement.event) : null),
    ({ event }) => rule.timeOf(event),
    step(rule),
  )
