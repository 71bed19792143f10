import type { OperatorFunction } from 'rxjs'
import type { Gathering } from '../schemas/generated.ts'
import type { EpochMs } from '../schemas/time.ts'
import { withState, type StateStore, type Step } from './with-state.ts'

/** When things that are told to one recipient go out together. */
export interface BatchRule {
  /** A batch goes out once nothing has joined it for so long, ms. */
  readonly quietMs: number
  /** … or once it has been open for so long, ms. */
  readonly longestMs: number
  /** … or once it holds so many. */
  readonly most: number
  /** The first after a quiet time goes out at once; what follows it is gathered. */
  readonly firstAtOnce: boolean
  /** Least time from one batch's going out to the next one's, ms; 0: none. It holds a batch back longer than all the others. */
  readonly spacingMs: number
}

/** No gathering: everything goes out at once, alone. */
export const alone: BatchRule = { quietMs: 0, longestMs: 0, most: 1, firstAtOnce: false, spacingMs: 0 }

/** An item's place: the batch that it goes out with, and when that goes out as things stand. */
export interface Placed<T> {
  readonly item: T
  /** The batch bears the id of its first item. */
  readonly batch: string
  readonly dueAt: EpochMs
  /** Items in the batch, this one included. */
  readonly count: number
}

export interface BatchOptions<T> {
  readonly idOf: (item: T) => string
  /** Items of one key are gathered together. */
  readonly keyOf: (item: T) => string
  readonly ruleOf: (item: T) => BatchRule
  /** Whether a batch has gone out: one that is held up goes on taking items. Left out: each goes when it is due. */
  readonly hasGone?: (batch: string) => boolean
}

const dueOf = (rule: BatchRule, { opened_at, count, free_at }: Gathering, now: EpochMs): EpochMs =>
  Math.max(free_at, count >= rule.most ? now : Math.min(opened_at + rule.longestMs, now + rule.quietMs))

const opened = (rule: BatchRule, before: Gathering | undefined, batch: string, now: EpochMs): Gathering => {
  // The batch before goes, or went, when it is due; the time until the next one may counts from there.
  const free_at = before === undefined || rule.spacingMs === 0 ? 0 : before.due_at + rule.spacingMs
  const isFirst = before === undefined || now - before.last_at >= rule.quietMs
  const fresh: Gathering = { batch, opened_at: now, last_at: now, due_at: now, count: 1, free_at }
  return { ...fresh, due_at: rule.firstAtOnce && isFirst ? Math.max(now, free_at) : dueOf(rule, fresh, now) }
}

/** What was counted before the clock was set back is counted on from where the clock stands now: nothing waits for the lost time again. */
const afterClock = (gathering: Gathering, now: EpochMs): Gathering => {
  const back = gathering.last_at - now
  if (back <= 0) return gathering
  const { opened_at, due_at, free_at } = gathering
  return {
    ...gathering,
    opened_at: opened_at - back,
    last_at: now,
    due_at: due_at - back,
    free_at: free_at === 0 ? 0 : free_at - back,
  }
}

const joined = (rule: BatchRule, gathering: Gathering, now: EpochMs): Gathering => {
  const grown = { ...gathering, count: gathering.count + 1, last_at: now }
  // What is overdue is not put off once more.
  return now < gathering.due_at ? { ...grown, due_at: dueOf(rule, grown, now) } : grown
}

const step =
  <T>({ idOf, ruleOf, hasGone }: BatchOptions<T>): Step<Gathering, T, Placed<T>> =>
  (kept, item, now) => {
    const rule = ruleOf(item)
    const before = kept === undefined ? undefined : afterClock(kept, now)
    // A batch that is due now leaves without the items that come at the same moment.
    const takes = ({ batch: id, count, due_at }: Gathering): boolean =>
      count < rule.most && now !== due_at && (hasGone === undefined ? now < due_at : !hasGone(id))
    const state =
      before !== undefined && takes(before) ? joined(rule, before, now) : opened(rule, before, idOf(item), now)
    return {
      state,
      outputs: [{ item, batch: state.batch, dueAt: state.due_at, count: state.count }],
      wakeAt: state.due_at,
    }
  }

/** Gives each item its place in a batch. Nothing is held here: who keeps the items lets a batch go once it is due. */
export const batch = <T extends { readonly now: EpochMs }>(
  store: StateStore<Gathering>,
  options: BatchOptions<T>,
): OperatorFunction<T, Placed<T>> => withState(store, options.keyOf, ({ now }) => now, step(options))
