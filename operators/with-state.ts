import { map, Observable, type OperatorFunction } from 'rxjs'
import type { EpochMs } from '../schemas/time.ts'

/** One transition: what the state becomes (undefined: nothing is kept), what leaves, and when to be asked again. */
export interface Stepped<S, O> {
  readonly state: S | undefined
  readonly outputs: readonly O[]
  readonly wakeAt?: EpochMs
}

/** What remembers: a plain function of its state, one input and that input's own time. */
export type Step<S, I, O> = (state: S | undefined, input: I, now: EpochMs) => Stepped<S, O>

/** Where states live between inputs, by key and the input's time. What is put must be seen by the next get. */
export interface StateStore<S> {
  get(key: string, now: EpochMs): S | undefined
  put(key: string, state: S | undefined, now: EpochMs): void
  /** Asks for a further input of that key at a time. */
  wake?(key: string, at: EpochMs): void
}

/**
 * Lifts a step into an operator whose states live in a store, so that they outlive the stream. An input without a key (null)
 * is stepped without a state, and none is kept for it.
 */
export const withState =
  <S, I, O>(
    store: StateStore<S>,
    keyOf: (input: I) => string | null,
    timeOf: (input: I) => EpochMs,
    step: Step<S, I, O>,
  ): OperatorFunction<I, O> =>
  (inputs) =>
    inputs.pipe(
      map((input) => {
        const key = keyOf(input)
        const now = timeOf(input)
        const before = key === null ? undefined : store.get(key, now)
        const { state, outputs, wakeAt } = step(before, input, now)
        if (key === null) return outputs
        if (state !== before) store.put(key, state, now)
        if (wakeAt !== undefined) store.wake?.(key, wakeAt)
        return outputs
      }),
      inOrder(),
    )

/** What concatMap does with lists, without a subscription for each of them. */
const inOrder =
  <O>(): OperatorFunction<readonly O[], O> =>
  (lists) =>
    new Observable((subscriber) =>
      lists.subscribe({
        next: (list) => {
          for (const item of list) subscriber.next(item)
        },
        error: (cause: unknown) => subscriber.error(cause),
        complete: () => subscriber.complete(),
      }),
    )
