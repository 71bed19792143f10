import type { MonoTypeOperatorFunction } from 'rxjs'
import type { Suppression } from '../schemas/generated.ts'
import { isInside, type WindowRule } from './dedup-window.ts'
import { isTold, type Judgement, repeating } from './judgement.ts'
import { withState, type StateStore, type Step } from './with-state.ts'

export interface CountedWindowRule<E> extends WindowRule<E> {
  /** Whose event it is; empty: nobody's that would be listed. */
  readonly clientOf: (event: E) => string
}

/** More are not kept by name. */
export const mostSuppressedClients = 100

const usualSeconds = 7200

/** The window, in ms, that a `dedup` in seconds means: 0 is two hours; null for a negative one: nothing is suppressed. */
export const dedupMs = (seconds: number): number | null =>
  seconds < 0 ? null : (seconds === 0 ? usualSeconds : seconds) * 1000

const withOneMore = (window: Suppression, client: string): Suppression => {
  const counted = { ...window, count: window.count + 1 }
  if (client === '' || window.clients.includes(client)) return counted
  return window.clients.length < mostSuppressedClients
    ? { ...counted, clients: [...window.clients, client] }
    : { ...counted, more: true }
}

const step =
  <E>({ windowMs, idOf, clientOf, reason }: CountedWindowRule<E>): Step<Suppression, Judgement<E>, Judgement<E>> =>
  (window, judgement, now) => {
    if (!isTold(judgement)) return { state: window, outputs: [judgement] }
    if (window !== undefined && isInside(window, windowMs, now)) {
      const suppressed = repeating(judgement, { event: window.event, reason })
      return { state: withOneMore(window, clientOf(judgement.event)), outputs: [suppressed] }
    }
    const opened = { event: idOf(judgement.event), at: now, count: 0, clients: [], more: false }
    const suppressed =
      window === undefined || window.count === 0
        ? null
        : { count: window.count, clients: window.clients, isMore: window.more }
    return { state: opened, outputs: [{ ...judgement, suppressed }] }
  }

/**
 * Tells the first event of a key and marks as repeats of it those whose time lies within the window that it opens, as `dedupWindow`
 * does, and counts them: the next one that is told says in `suppressed` how many they were, and whose.
 */
export const countedWindow = <E>(
  store: StateStore<Suppression>,
  rule: CountedWindowRule<E>,
): MonoTypeOperatorFunction<Judgement<E>> =>
  withState(
    store,
    (judgement) => (isTold(judgement) ? rule.keyOf(judgement.event) : null),
    ({ event }) => rule.timeOf(event),
    step(rule),
  )
