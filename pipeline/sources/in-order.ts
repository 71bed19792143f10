import { Observable } from 'rxjs'
import type { EpochMs } from '../../schemas/time.ts'

/** What may be held to be put in order. */
export interface OrderBounds {
  readonly items: number
  /** Sum of their sizes. */
  readonly size: number
}

/**
 * The items of a stream that ends, in the order of their times; equal ones as they came. Where they are more than may be held, those
 * that have come so far go first, in order among themselves.
 */
export const inOrder =
  <T>(timeOf: (item: T) => EpochMs, sizeOf: (item: T) => number, most: OrderBounds) =>
  (items: Observable<T>): Observable<T> =>
    new Observable((subscriber) => {
      let held: T[] = []
      let size = 0
      const give = (): void => {
        const all = held.toSorted((a, b) => timeOf(a) - timeOf(b))
        held = []
        size = 0
        for (const item of all) subscriber.next(item)
      }
      return items.subscribe({
        next(item) {
          held.push(item)
          size += sizeOf(item)
          if (held.length >= most.items || size >= most.size) give()
        },
        error: (cause: unknown) => subscriber.error(cause),
        complete() {
          give()
          subscriber.complete()
        },
      })
    })
