import type { OperatorFunction } from 'rxjs'
import type { Bucket, Turnstile, WaitingLetter } from '../schemas/generated.ts'
import type { EpochMs } from '../schemas/time.ts'
import { withState, type StateStore, type Step } from './with-state.ts'

/** How much may pass: a token bucket whose burst and refill together never let more than `most` pass in any span of `perMs`. */
export interface RateRule {
  /** At least 1. */
  readonly most: number
  readonly perMs: number
  /** So many may pass at once; from 1 to `most`. The larger, the slower it refills. */
  readonly burst: number
}

/** One token comes back every so many ms. In a span as long as `perMs` the burst and all that come back are `most` in all. */
const intervalOf = ({ most, perMs, burst }: RateRule): number => perMs / (most + 1 - burst)

/** More is not missing from a bucket than all it holds: what says otherwise was counted before the clock was set back. */
const fullAt = (rule: RateRule, full_at: number, now: EpochMs): number =>
  Math.min(Math.max(full_at, now), now + rule.burst * intervalOf(rule))

/** When a bucket has a token: `now`, or later. */
export const freeAt = (rule: RateRule, { full_at }: Pick<Bucket, 'full_at'>, now: EpochMs): EpochMs =>
  Math.max(now, Math.ceil(fullAt(rule, full_at, now) - (rule.burst - 1) * intervalOf(rule)))

/** What one that passes leaves of a bucket. */
export const taken = <B extends Pick<Bucket, 'full_at'>>(rule: RateRule, bucket: B, now: EpochMs): B => ({
  ...bucket,
  full_at: fullAt(rule, bucket.full_at, now) + intervalOf(rule),
})

/** What one that was let pass and did not go after all gives back. */
export const givenBack = <B extends Pick<Bucket, 'full_at'>>(rule: RateRule, bucket: B, now: EpochMs): B => ({
  ...bucket,
  full_at: fullAt(rule, bucket.full_at, now) - intervalOf(rule),
})

/** The turn of the next one that must wait at a bucket: each gets a turn of its own, so that nobody wakes in vain. */
export const queued = (
  rule: RateRule,
  bucket: Bucket,
  now: EpochMs,
): { readonly turn: EpochMs; readonly bucket: Bucket } => {
  const free = freeAt(rule, bucket, now)
  const isSetBack = bucket.full_at > now + rule.burst * intervalOf(rule)
  const turn = isSetBack ? free : Math.max(free, Math.ceil(bucket.queued_to + intervalOf(rule)))
  return { turn, bucket: { ...bucket, queued_to: turn } }
}

/** A bucket that nothing has passed yet. */
export const fullBucket: Bucket = { full_at: 0, queued_to: 0 }

/**
 * The part of a rule that belongs to one of several that share it without asking each other; together they never let more pass.
 * null: there are more of them than may pass, and this one gets nothing.
 */
export const shareOf = ({ most, perMs, burst }: RateRule, part: number, parts: number): RateRule | null => {
  const own = Math.floor(most / parts) + (part < most % parts ? 1 : 0)
  return own === 0 ? null : { most: own, perMs, burst: Math.max(1, Math.floor(burst / parts)) }
}

/** A letter whose time has come, or has come again. */
export interface AtTurnstile {
  readonly letter: WaitingLetter
  /** null: the recipient has no limit of its own. */
  readonly rule: RateRule | null
  /** When the limits that are shared with others let one pass. */
  readonly sharedAt: EpochMs
  readonly now: EpochMs
}

/** What becomes of a letter. */
export type Turned =
  /** It goes now, perhaps in place of the one that asked. */
  | { readonly is: 'passing'; readonly letter: string }
  /** It is told in the other letter, which waits already. */
  | { readonly is: 'joining'; readonly letter: string; readonly into: string }
  /** It waits, and asks again then. */
  | { readonly is: 'waiting'; readonly letter: string; readonly until: EpochMs }

export interface RateLimitOptions {
  /** Letters of one key have one recipient. */
  readonly keyOf: (at: AtTurnstile) => string
  /** Whether a letter that waits may go, as far as the limits are not concerned. */
  readonly mayGo: (letter: string) => boolean
  /** Whether a letter waits still: it may have gone while there was no limit. */
  readonly waits: (letter: string) => boolean
  /** Notices in one letter at most. */
  readonly mostGathered: number
}

/** Beyond so many a letter waits on its own: it asks again, but is neither gathered nor put before others. */
const mostKnown = 500

const severestFirst = (a: WaitingLetter, b: WaitingLetter): number => b.severity - a.severity || a.since - b.since

const joined = (into: WaitingLetter, letter: WaitingLetter): WaitingLetter => ({
  ...into,
  severity: Math.max(into.severity, letter.severity),
  size: into.size + letter.size,
})

const step =
  ({ mayGo, waits, mostGathered }: RateLimitOptions): Step<Turnstile, AtTurnstile, Turned> =>
  (kept, { letter, rule, sharedAt }, now) => {
    const before = kept ?? { full_at: 0, waiting: [] }
    const free = Math.max(sharedAt, rule === null ? now : freeAt(rule, before, now))
    const others = before.waiting.filter(({ id }) => id !== letter.id)
    const isKnown = others.length < before.waiting.length
    const gone = new Set<WaitingLetter>()
    const isHere = (each: WaitingLetter): boolean => waits(each.id) || !gone.add(each)
    const mayJoin = ({ group, size }: WaitingLetter): boolean =>
      !isKnown && group !== '' && group === letter.group && size + letter.size <= mostGathered
    const into = others.find((each) => mayJoin(each) && isHere(each))
    const waiting =
      into === undefined ? [...others, letter] : others.map((each) => (each === into ? joined(into, letter) : each))
    const outputs: Turned[] = into === undefined ? [] : [{ is: 'joining', letter: letter.id, into: into.id }]
    const going =
      free > now
        ? undefined
        : waiting.toSorted(severestFirst).find((each) => each === letter || (isHere(each) && mayGo(each.id)))
    if (going !== undefined) outputs.push({ is: 'passing', letter: going.id })
    const { full_at } = going === undefined || rule === null ? before : taken(rule, before, now)
    const left = waiting.filter((each) => each !== going && !gone.has(each)).toSorted(severestFirst)
    const place = left.indexOf(letter)
    if (place >= 0) {
      const own = rule === null ? now : freeAt(rule, { full_at }, now) + Math.ceil(place * intervalOf(rule))
      outputs.push({ is: 'waiting', letter: letter.id, until: Math.max(own, sharedAt) })
    }
    const after = { full_at, waiting: left.slice(0, mostKnown) }
    const next = left.length === 0 ? undefined : Math.max(sharedAt, rule === null ? now : freeAt(rule, after, now))
    const state = rule === null && left.length === 0 ? undefined : after
    return { state, outputs, ...(next === undefined ? {} : { wakeAt: next }) }
  }

/**
 * Lets letters pass as fast as the limits allow: the severest of a recipient first, the oldest of these. What must wait is gathered into one
 * letter with what waits of the same group; nothing is dropped. One at most passes for each that comes.
 */
export const rateLimit = (
  store: StateStore<Turnstile>,
  options: RateLimitOptions,
): OperatorFunction<AtTurnstile, Turned> => withState(store, options.keyOf, ({ now }) => now, step(options))
