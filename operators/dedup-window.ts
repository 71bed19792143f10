import type { MonoTypeOperatorFunction } from 'rxjs'
import type { Mark } from '../schemas/generated.ts'
import type { EpochMs } from '../schemas/time.ts'
import { isStanding, type Judgement } from './judgement.ts'
import { withState, type StateStore, type Step } from './with-state.ts'

export interface WindowRule<E> {
  /** How long an event keeps others of its key silent, ms, counted from the event that was told. */
  readonly windowMs: number
  /** Events with the same key are repeats of each other. */
  readonly keyOf: (event: E) => string
  readonly idOf: (event: E) => string
  readonly timeOf: (event: E) => EpochMs
  /** Why a repeat is not told. */
  readonly reason: string
}

const step =
  <E>({ windowMs, idOf, reason }: WindowRule<E>): Step<Mark, Judgement<E>, Judgement<E>> =>
  (window, judgement, now) => {
    if (!isStanding(judgement)) return { state: window, outputs: [judgement] }
    // An event from before the window was opened does not join it, nor does it move it.
    if (window !== undefined && now < window.at) return { state: window, outputs: [judgement] }
    if (window === undefined || now >= window.at + windowMs)
      return { state: { event: idOf(judgement.event), at: now }, outputs: [judgement] }
    return { state: window, outputs: [{ ...judgement, repeatOf: { event: window.event, reason } }] }
  }

/** Tells the first event of a key and marks as repeats of it those that follow within the window. */
export const dedupWindow = <E>(store: StateStore<Mark>, rule: WindowRule<E>): MonoTypeOperatorFunction<Judgement<E>> =>
  withState(
    store,
    ({ event }) => rule.keyOf(event),
    ({ event }) => rule.timeOf(event),
    step(rule),
  )
