import type { Mark, Schemas } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { type Bucket, type LatestMarks, orderDigits } from './latest-marks.ts'
import type { MarkMemory } from './mark-memory.ts'
import { afterPrefix, type TurnState } from './turn-state.ts'

/** The part of a state in which marks lie. */
export type MarkState = Pick<
  TurnState,
  'get' | 'put' | 'delete' | 'committedKeys' | 'keys' | 'isChanged' | 'firstFound'
>

/** What may lie as a mark does: it has a time of its own. */
export type MarkName = 'Mark' | 'Suppression'

/** Marks by id, kept for a time and then forgotten. */
export interface Marks<M = Mark> {
  /** The mark of an id whose time lies within one bucket of `at`. */
  get(id: string, at: EpochMs): M | undefined
  put(id: string, mark: M): void
  /** Forgets marks older than `before`, at most so many a call: 200 unless it is said. */
  forget(before: EpochMs, most?: number): void
}

const usuallyMostForgotten = 200
/** Hours until the year 9999. */
const digits = 8

const slash = 0x2f
const zero = 0x30

/** The number that an id ends with, behind a slash; 0: none, or more than a number holds exactly. */
const numberOf = (id: string): number => {
  let number = 0
  let scale = 1
  let at = id.length - 1
  for (; at >= 0 && id.length - at <= orderDigits; at--) {
    const digit = id.charCodeAt(at) - zero
    if (digit < 0 || digit > 9) break
    number += digit * scale
    scale *= 10
  }
  return id.charCodeAt(at) === slash && number <= Number.MAX_SAFE_INTEGER ? number : 0
}

/** Ids end with their own time, if they have one: the latest come first. */
const orderOf = (id: string): string => String(Number.MAX_SAFE_INTEGER - numberOf(id)).padStart(orderDigits, '0')

/**
 * Marks under `prefix` in a turn's state. They lie in buckets of `bucketMs` by their own time, so that old ones are found
 * without an index; an id is looked for in the bucket of the asked time and its neighbours. In a bucket the ids with the latest times
 * come first: what is later than all of them, as most are, is known to be new by one look a turn, and what comes together lies together.
 * All that a turn marks under a prefix is marked by one of these.
 */
export const marksIn = (state: MarkState, prefix: string, bucketMs: number, memory?: MarkMemory): Marks =>
  marksOf('Mark', state, { prefix, bucketMs, ...(memory === undefined ? {} : { memory }) })

export interface MarkPlace {
  readonly prefix: string
  readonly bucketMs: number
  readonly memory?: MarkMemory
  /** In place of a memory, where ids come out of order: all marks under this prefix are put and asked for with it. */
  readonly latest?: LatestMarks
}

/** The same for marks that say more. */
export const marksOf = <N extends MarkName>(
  name: N,
  state: MarkState,
  { prefix, bucketMs, memory, latest }: MarkPlace,
): Marks<Schemas[N]> => {
  const buckets = new Map<number, Bucket>()
  const bucketOf = (at: EpochMs): number => Math.max(0, Math.floor(at / bucketMs))
  const prefixOf = (bucket: number): string => `${prefix}/${String(bucket).padStart(digits, '0')}/`
  const rangeOf = (bucket: number): Bucket => {
    const known = buckets.get(bucket)
    if (known !== undefined) return known
    const [from, to] = prefixRange(prefixOf(bucket))
    buckets.set(bucket, { from, to })
    return { from, to }
  }
  const keyOf = (bucket: number, order: string, id: string): string => `${rangeOf(bucket).from}${order}/${id}`
  const filled = new Set<number>()
  /** Whether nothing was marked in a bucket when the turn began, and nothing since. */
  const isEmpty = (bucket: number): boolean => {
    const { from, to } = rangeOf(bucket)
    return !filled.has(bucket) && state.firstFound(from, to) === undefined
  }
  /** Whether no mark of the bucket was as early in its order when the turn began. */
  const isBeforeAll = (bucket: number, order: string): boolean => {
    const { from, to } = rangeOf(bucket)
    const first = state.firstFound(from, to)
    return first === undefined || order < first.slice(from.length, from.length + orderDigits)
  }
  const earlierIds = function* (moment: string): Generator<string> {
    for (const key of state.committedKeys(...prefixRange(moment))) yield key.slice(moment.length)
  }
  /** Whether an id certainly has no mark in a bucket. */
  const isAbsent = (bucket: number, order: string, id: string): boolean => {
    if (latest !== undefined) {
      const range = rangeOf(bucket)
      if (!latest.mayHaveAny(range, () => state.keys(range.from, range.to))) return true
      return !latest.mayHave(range, keyOf(bucket, order, id))
    }
    if (memory === undefined && isEmpty(bucket)) return true
    if (memory === undefined) return !state.isChanged(keyOf(bucket, order, id)) && isBeforeAll(bucket, order)
    if (memory.mayHave(id)) return false
    if (isBeforeAll(bucket, order)) return true
    const moment = `${rangeOf(bucket).from}${order}/`
    return memory.isWhole(moment, () => earlierIds(moment)) && !memory.mayHave(id)
  }
  const look = (bucket: number, order: string, id: string): Schemas[N] | undefined =>
    bucket < 0 || isAbsent(bucket, order, id) ? undefined : state.get(name, keyOf(bucket, order, id))
  return {
    get(id, at) {
      const bucket = bucketOf(at)
      const order = orderOf(id)
      return look(bucket, order, id) ?? look(bucket - 1, order, id) ?? look(bucket + 1, order, id)
    },
    put(id, mark) {
      const bucket = bucketOf(mark.at)
      const order = orderOf(id)
      const key = keyOf(bucket, order, id)
      state.put(name, key, mark)
      filled.add(bucket)
      latest?.put(rangeOf(bucket), key)
      if (memory === undefined) return
      if (isBeforeAll(bucket, order)) memory.begin(`${rangeOf(bucket).from}${order}/`)
      memory.add(id)
    },
    forget(before, most = usuallyMostForgotten) {
      let left = most
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
