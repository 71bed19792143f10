import type { Mark } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { afterPrefix, type TurnState } from './turn-state.ts'

/** The part of a state in which marks lie. */
export type MarkState = Pick<TurnState, 'get' | 'put' | 'delete' | 'committedKeys' | 'isEmpty'>

/** Marks by id, kept for a time and then forgotten. */
export interface Marks {
  /** The mark of an id whose time lies within one bucket of `at`. */
  get(id: string, at: EpochMs): Mark | undefined
  put(id: string, mark: Mark): void
  /** Forgets marks older than `before`, a bounded number a call. */
  forget(before: EpochMs): void
}

const mostForgotten = 200
/** Hours until the year 9999. */
const digits = 8

/**
 * Marks under `prefix` in a turn's state. They lie in buckets of `bucketMs` by their own time, so that old ones are found
 * without an index; an id is looked for in the bucket of the asked time and its neighbours.
 */
export const marksIn = (state: MarkState, prefix: string, bucketMs: number): Marks => {
  const bucketOf = (at: EpochMs): number => Math.max(0, Math.floor(at / bucketMs))
  const prefixOf = (bucket: number): string => `${prefix}/${String(bucket).padStart(digits, '0')}/`
  const keyOf = (bucket: number, id: string): string => prefixOf(bucket) + id
  // Ids are looked for in great number and neighbours are mostly empty: one look a turn spares one for every id.
  const isEmpty = (bucket: number): boolean => bucket < 0 || state.isEmpty(...prefixRange(prefixOf(bucket)))
  return {
    get(id, at) {
      const bucket = bucketOf(at)
      const mark = state.get('Mark', keyOf(bucket, id))
      if (mark !== undefined) return mark
      for (const near of [bucket - 1, bucket + 1]) {
        const neighbour = isEmpty(near) ? undefined : state.get('Mark', keyOf(near, id))
        if (neighbour !== undefined) return neighbour
      }
      return undefined
    },
    put: (id, mark) => state.put('Mark', keyOf(bucketOf(mark.at), id), mark),
    forget(before) {
      let left = mostForgotten
      const end = prefixOf(bucketOf(before))
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
