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
  /** Least time from one batch's going out to the next one's, ms; 0: none. */
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
}

const dueOf = (rule: BatchRule, { opened_at, count, free_at }: Gathering, now: EpochMs): EpochMs =>
  Math.max(free_at, count >= rule.most ? now : Math.min(opened_at + rule.longestMs, now + rule.quietMs))

const opened = (rule: BatchRule, before: Gathering | undefined, batch: string, now: EpochMs): Gathering => {
  // The batch before went out when it was due; the time until the next one may counts from there.
  const free_at = before === undefined || rule.spacingMs === 0 ? 0 : before.due_at + rule.spacingMs
  const isFirst = before === undefined || now - before.last_at >= rule.quietMs
  const fresh: Gathering = { batch, opened_at: now, last_at: now, due_at: now, count: 1, free_at }
  return { ...fresh, due_at: rule.firstAtOnce && isFirst ? Math.max(now, free_at) : dueOf(rule, fresh, now) }
}

const step =
  <T>({ idOf, ruleOf }: BatchOptions<T>): Step<Gathering, T, Placed<T>> =>
  (gathering, item, now) => {
    const rule = ruleOf(item)
    const isOpen = gathering !== undefined && now < gathering.due_at && gathering.count < rule.most
    const joined = isOpen ? { ...gathering, count: gathering.count + 1, last_at: now } : undefined
    const state =
      joined === undefined ? opened(rule, gathering, idOf(item), now) : { ...joined, due_at: dueOf(rule, joined, now) }
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
