import type { MonoTypeOperatorFunction } from 'rxjs'
import type { Mark } from '../schemas/generated.ts'
import type { EpochMs } from '../schemas/time.ts'
import { isTold, type Judgement, repeating } from './judgement.ts'
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

/** Whether a time lies in the window that a mark opened. */
export const isInside = ({ at }: Pick<Mark, 'at'>, windowMs: number, time: EpochMs): boolean =>
  time >= at && time < at + windowMs

const step =
  <E>({ windowMs, idOf, reason }: WindowRule<E>): Step<Mark, Judgement<E>, Judgement<E>> =>
  (window, judgement, now) => {
    if (!isTold(judgement)) return { state: window, outputs: [judgement] }
    return window !== undefined && isInside(window, windowMs, now)
      ? { state: window, outputs: [repeating(judgement, { event: window.event, reason })] }
      : { state: { event: idOf(judgement.event), at: now }, outputs: [judgement] }
  }

/**
 * Tells the first event of a key and marks as repeats of it those whose time lies within the window that it opens. A late event
 * from before the window opens one of its own; whether the store keeps both is the store's affair.
 */
export const dedupWindow = <E>(store: StateStore<Mark>, rule: WindowRule<E>): MonoTypeOperatorFunction<Judgement<E>> =>
  withState(
    store,
    (judgement) => (isTold(judgement) ? rule.keyOf(judgement.event) : null),
    ({ event }) => rule.timeOf(event),
    step(rule),
  )
