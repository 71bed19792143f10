import type { Mark } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { afterPrefix, type TurnState } from './turn-state.ts'

/** Marks by id, kept for a time and then forgotten. */
export interface Marks {
  /** The mark of an id whose time lies within one bucket of `at`. */
  get(id: string, at: EpochMs): Mark | undefined
  put(id: string, mark: Mark): void
  /** Forgets marks older than `before`, a bounded number a call. */
  forget(before: EpochMs): void
}

const mostForgotten = 200
const digits = 6

/**
 * Marks under `prefix` in a turn's state. They lie in buckets of `bucketMs` by their own time, so that old ones are found
 * without an index; an id is looked for in the bucket of the asked time and its neighbours.
 */
export const marksIn = (state: TurnState, prefix: string, bucketMs: number): Marks => {
  const bucketOf = (at: EpochMs): number => Math.max(0, Math.floor(at / bucketMs))
  const keyOf = (bucket: number, id: string): string => `${prefix}/${String(bucket).padStart(digits, '0')}/${id}`
  return {
    get(id, at) {
      const bucket = bucketOf(at)
      for (const near of [bucket, bucket - 1, bucket + 1]) {
        const mark = near < 0 ? undefined : state.get('Mark', keyOf(near, id))
        if (mark !== undefined) return mark
      }
      return undefined
    },
    put: (id, mark) => state.put('Mark', keyOf(bucketOf(mark.at), id), mark),
    forget(before) {
      let left = mostForgotten
      const end = `${prefix}/${String(bucketOf(before)).padStart(digits, '0')}/`
      if (end <= `${prefix}/`) return
      for (const key of state.committedKeys(`${prefix}/`, end)) {
        state.delete(key)
        if (--left === 0) return
      }
    },
  }
}

/** Keys of a whole prefix, as a range. */
export const prefixRange = (prefix: string): readonly [from: string, to: string] => [prefix, afterPrefix(prefix)]
