import type { TaskState } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { openIdFilter } from '../runtime/id-filter.ts'
import { prefixRange } from '../runtime/marks.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import type { FlowEnd } from './queue-source.ts'

/** Which ends of flows a task has taken, of one organisation: what came twice is known by them, and what a look through all flows finds. */
export interface FlowEnds {
  /** Whether this very end was taken. A flow may end more than once, each time in another second. */
  has(end: FlowEnd): boolean
  /** Whether any end of the flow was taken, of the day of this one or a day before or after. */
  hasOfFlow(end: FlowEnd): boolean
  add(end: FlowEnd): void
}

/** What a task knows of the ends that it took, so that new ones need not be looked for. Lives and dies with its task. */
export interface FlowEndMemory {
  /** Called before the first end of each turn: only then does it forget when it is full, all at once. */
  beginTurn(): void
  /** Whether an end may have been taken; false: it certainly was not. `latest`: the time of the latest end that was taken before this turn. */
  mayHave(org: string, key: string, at: EpochMs, latest: () => EpochMs): boolean
  add(key: string): void
}

const day = 86_400_000
/** Days until the year 9999. */
const digits = 8

/** Opens a memory that knows all ends later than the latest one that had been taken when it began. */
export const openFlowEndMemory = (): FlowEndMemory => {
  const keys = openIdFilter()
  const latestBefore = new Map<string, EpochMs>()
  const begun = (org: string, latest: () => EpochMs): EpochMs => {
    const known = latestBefore.get(org) ?? latest()
    latestBefore.set(org, known)
    return known
  }
  return {
    beginTurn() {
      if (!keys.isFull()) return
      keys.clear()
      latestBefore.clear()
    },
    // Ends of one second are the same end.
    mayHave: (org, key, at, latest) => Math.floor(at / 1000) * 1000 <= begun(org, latest) || keys.mayHave(key),
    add: (key) => keys.add(key),
  }
}

const prefixOf = (org: string, bucket: number): string => `ended/${org}/${String(bucket).padStart(digits, '0')}/`
const bucketOf = (at: EpochMs): number => Math.max(0, Math.floor(at / day))
const latestKey = (org: string): string => `latest-end/${org}`

/**
 * Where an end lies in a task's state. Old ones are found by their day. A flow's id begins with its time, or is that of its hunt: ends
 * that come together lie together, and a commit writes few pages.
 */
const keyOf = (prefix: string, { client, flow, at }: FlowEnd): string =>
  `${prefix}${flow}/${client}/${Math.floor(at / 1000)}`

/** Whether a task has committed an end. */
export const isKnownEnd = (state: TaskState, org: string, end: FlowEnd): boolean =>
  state.get(keyOf(prefixOf(org, bucketOf(end.at)), end)) !== undefined

/** Opens the ends in a turn's state; all that a turn adds of an organisation is added by one of these. */
export const openFlowEnds = (state: TurnState, org: string, memory: FlowEndMemory): FlowEnds => {
  const prefixes = new Map<number, string>()
  const latestFound = state.get('Mark', latestKey(org))?.at ?? -Infinity
  let latest = latestFound
  /** An end is asked for before it is added, and many have the same second. */
  let lastEnd: FlowEnd | undefined
  let lastKey = ''
  let lastAt = NaN
  let lastMark: Uint8Array = new Uint8Array()

  const prefixIn = (bucket: number): string => {
    const known = prefixes.get(bucket) ?? prefixOf(org, bucket)
    prefixes.set(bucket, known)
    return known
  }
  const keyed = (end: FlowEnd): string => {
    if (end === lastEnd) return lastKey
    lastEnd = end
    return (lastKey = keyOf(prefixIn(bucketOf(end.at)), end))
  }
  const markOf = (at: EpochMs): Uint8Array => {
    if (at === lastAt) return lastMark
    lastAt = at
    return (lastMark = encode('Mark', { event: '', at }))
  }
  const hasIn = (bucket: number, { flow, client }: FlowEnd): boolean => {
    if (bucket < 0) return false
    const [first] = state.keys(...prefixRange(`${prefixIn(bucket)}${flow}/${client}/`))
    return first !== undefined
  }
  return {
    has(end) {
      const key = keyed(end)
      return memory.mayHave(org, key, end.at, () => latestFound) && state.getBytes(key) !== undefined
    },
    hasOfFlow(end) {
      const bucket = bucketOf(end.at)
      return hasIn(bucket, end) || hasIn(bucket - 1, end) || hasIn(bucket + 1, end)
    },
    add(end) {
      const key = keyed(end)
      state.putBytes(key, markOf(end.at))
      memory.add(key)
      if (end.at <= latest) return
      latest = end.at
      state.put('Mark', latestKey(org), { event: '', at: latest })
    },
  }
}

/** Forgets ends of the days before a time, at most so many a call. */
export const forgetFlowEnds = (state: TurnState, org: string, before: EpochMs, most: number): void => {
  let left = most
  for (const key of state.committedKeys(`ended/${org}/`, prefixOf(org, bucketOf(before)))) {
    state.delete(key)
    if (--left === 0) return
  }
}
