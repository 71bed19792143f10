import { identity, type MonoTypeOperatorFunction, pipe, tap } from 'rxjs'
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
  <E>({ reason }: RepeatRule<E>): Step<Mark, Judgement<E>, Judgement<E>> =>
  (told, judgement) => ({
    state: told,
    outputs: [told === undefined ? judgement : repeating(judgement, { event: told.event, reason })],
  })

const compared = <E>(store: StateStore<Mark>, rule: RepeatRule<E>): MonoTypeOperatorFunction<Judgement<E>> =>
  withState(
    store,
    // What is not told anyway needs no look at the past, and most is not.
    (judgement) => (isTold(judgement) ? rule.identityOf(judgement.event) : null),
    ({ event }) => rule.timeOf(event),
    step(rule),
  )

const remembered = <E>(
  store: StateStore<Mark>,
  { identityOf, idOf, timeOf }: RepeatRule<E>,
): MonoTypeOperatorFunction<Judgement<E>> =>
  tap((judgement) => {
    const { event } = judgement
    if (isTold(judgement)) store.put(identityOf(event), { event: idOf(event), at: timeOf(event) }, timeOf(event))
  })

/**
 * Marks as a repeat what was told before; only what is told to somebody in the end is remembered. `window`: what may keep an event silent
 * that is no repeat; each event must come through it before the next one goes in.
 */
export const withoutRepeats = <E>(
  store: StateStore<Mark>,
  rule: RepeatRule<E>,
  window: MonoTypeOperatorFunction<Judgement<E>> = identity,
): MonoTypeOperatorFunction<Judgement<E>> => pipe(compared(store, rule), window, remembered(store, rule))
