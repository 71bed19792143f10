import { of } from 'rxjs'
import type { Task, Turn } from '../../connectors/log/event-log.ts'
import {
  type AtTurnstile,
  freeAt,
  fullBucket,
  givenBack,
  queued,
  rateLimit,
  type RateRule,
  shareOf,
  taken,
  type Turned,
} from '../../operators/rate-limit.ts'
import { decode } from '../../schemas/codec.ts'
import type { Bucket, Letter, Notice, Turnstile } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { MailLimits } from '../config/configuration.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import type { DeliverOptions } from './claim.ts'
import { dueKey, groupOf, letterKey, noticeKey, putOpen } from './letter-state.ts'

interface LimitedTurn {
  readonly state: TurnState
  readonly task: Pick<Task, 'partition'>
  readonly turn: Pick<Turn, 'now'>
  readonly options: DeliverOptions
}

/** As many as `batch.most` may be. */
const mostGathered = 500

const addressOf = ({ recipient }: Notice): string => recipient.address.toLowerCase()
const domainOf = (notice: Notice): string => addressOf(notice).slice(addressOf(notice).lastIndexOf('@') + 1)
const turnstileKey = (channel: string, notice: Notice): string =>
  `turnstile/${encodeURIComponent(channel)}/${addressOf(notice)}`

/** A limit of many recipients: this partition's share of it, and where it is kept. */
interface Shared {
  readonly key: string
  readonly rule: RateRule
}

const sharesOf = (
  channel: string,
  notice: Notice,
  limits: MailLimits,
  { task, options }: LimitedTurn,
): readonly Shared[] => {
  const { partitions } = options.log
  const prefix = `limit/${encodeURIComponent(channel)}/`
  return [
    { key: prefix, rule: limits.channel },
    { key: `${prefix}${domainOf(notice)}`, rule: limits.domain },
  ].flatMap(({ key, rule }) =>
    // A configuration with less than one for each partition is refused.
    rule === null ? [] : [{ key, rule: shareOf(rule, task.partition, partitions) ?? { ...rule, most: 1, burst: 1 } }],
  )
}

const bucketAt = ({ state }: LimitedTurn, { key }: Shared): Bucket => state.get('Bucket', key) ?? fullBucket

/** Whether a channel has any limit. */
export const isLimited = (channel: string, { channels }: LimitedTurn['options']): boolean => {
  const limits = channels.get(channel)?.limits
  return limits !== undefined && Object.values(limits).some((limit) => limit !== null)
}

/** What a letter that is due, and whose channel has limits, needs to know. */
export interface Passage {
  readonly letter: Letter
  /** Its first notice. */
  readonly first: Notice
  /** Takes a place on the channel; says whether there was one. */
  readonly reserve: () => boolean
  readonly giveBack: () => void
  /** Whether a letter that waits may go, as far as the limits are not concerned. */
  readonly mayGo: (letter: string) => boolean
}

/**
 * Brings a letter that is due before the limits of its channel. The answer is the letter that may be claimed in its stead, on the place
 * that was reserved, or null when none may (this one then waits, or is told in one that does), or 'full' when the channel has no place.
 */
export const passLimits = (passage: Passage, context: LimitedTurn): Letter | null | 'full' => {
  const { letter, first } = passage
  const { state, turn, options } = context
  const limits = options.channels.get(letter.channel)?.limits
  if (limits === undefined) return passage.reserve() ? letter : 'full'
  const shares = sharesOf(letter.channel, first, limits, context)
  const sharedAt = Math.max(turn.now, ...shares.map((share) => freeAt(share.rule, bucketAt(context, share), turn.now)))
  const key = turnstileKey(letter.channel, first)
  const ownAt =
    limits.recipient === null ? turn.now : freeAt(limits.recipient, state.get('Turnstile', key) ?? fullBucket, turn.now)
  const isFree = Math.max(sharedAt, ownAt) <= turn.now
  if (isFree && !passage.reserve()) return 'full'
  const passed = follow(turned(passage, { key, rule: limits.recipient, sharedAt }, context), shares, context)
  if (isFree && passed === null) passage.giveBack()
  return passed
}

const turned = (
  { letter, first, mayGo }: Passage,
  { key, rule, sharedAt }: Pick<AtTurnstile, 'rule' | 'sharedAt'> & { readonly key: string },
  { state, turn }: LimitedTurn,
): readonly Turned[] => {
  const outputs: Turned[] = []
  const store = {
    get: () => state.get('Turnstile', key),
    put: (_: string, turnstile: Turnstile | undefined) => {
      if (turnstile === undefined) state.delete(key)
      else state.put('Turnstile', key, turnstile)
    },
  }
  const waits = (id: string): boolean => state.get('Letter', letterKey(id))?.stage === 'open'
  const at: AtTurnstile = { letter: waitingOf(letter, first), rule, sharedAt, now: turn.now }
  of(at)
    .pipe(rateLimit(store, { keyOf: () => key, mayGo, waits, mostGathered }))
    .subscribe((one) => outputs.push(one))
  return outputs
}

const waitingOf = (letter: Letter, first: Notice): AtTurnstile['letter'] => ({
  id: letter.id,
  // What may have been sent already stays as it was.
  group: letter.attempt > 0 ? '' : `${groupOf(first)} ${first.sender?.address ?? ''}`,
  severity: letter.severity,
  since: letter.opened_at,
  size: letter.notices,
})

/** Does what the turnstile said; answers the letter that passed. */
const follow = (outputs: readonly Turned[], shares: readonly Shared[], context: LimitedTurn): Letter | null => {
  const { state, turn } = context
  const letterOf = (id: string): Letter => state.get('Letter', letterKey(id)) as Letter
  let passed: Letter | null = null
  for (const one of outputs)
    switch (one.is) {
      case 'joining':
        merge(letterOf(one.letter), letterOf(one.into), context)
        break
      case 'passing':
        passed = letterOf(one.letter)
        for (const share of shares)
          state.put('Bucket', share.key, taken(share.rule, bucketAt(context, share), turn.now))
        break
      case 'waiting': {
        const letter = letterOf(one.letter)
        state.delete(dueKey(letter))
        putOpen(state, { ...letter, due_at: Math.max(one.until, sharedTurn(passed, shares, context)) })
      }
    }
  return passed
}

/** The turn of a letter at the limit that it waits for longest; where another went in its stead, that one's turn. */
const sharedTurn = (inStead: Letter | null, shares: readonly Shared[], context: LimitedTurn): EpochMs => {
  const { state, turn } = context
  if (inStead !== null) return inStead.due_at
  let longest: { readonly share: Shared; readonly turn: EpochMs; readonly bucket: Bucket } | undefined
  for (const share of shares) {
    const bucket = bucketAt(context, share)
    if (freeAt(share.rule, bucket, turn.now) <= turn.now) continue
    const next = queued(share.rule, bucket, turn.now)
    if (longest === undefined || next.turn > longest.turn) longest = { share, ...next }
  }
  if (longest === undefined) return turn.now
  state.put('Bucket', longest.share.key, longest.bucket)
  return longest.turn
}

/** Tells the notices of a letter in another one; neither has been sent yet. */
const merge = (letter: Letter, into: Letter, { state }: LimitedTurn): void => {
  for (let n = 1; n <= letter.notices; n++) {
    state.putBytes(noticeKey(into.id, into.notices + n), state.getBytes(noticeKey(letter.id, n)) as Uint8Array)
    state.delete(noticeKey(letter.id, n))
  }
  state.delete(dueKey(letter))
  state.delete(letterKey(letter.id))
  state.put('Letter', letterKey(into.id), {
    ...into,
    notices: into.notices + letter.notices,
    severity: Math.max(into.severity, letter.severity),
  })
}

/** Takes note of a further notice in a letter, by which another one of those that wait may go first; false: it does not wait at its limits. */
export const noteGrown = (
  { id, channel, severity, notices: size }: Letter,
  notice: Notice,
  state: TurnState,
): boolean => {
  const key = turnstileKey(channel, notice)
  const turnstile = state.get('Turnstile', key)
  if (turnstile?.waiting.some((one) => one.id === id) !== true) return false
  const waiting = turnstile.waiting.map((one) => (one.id === id ? { ...one, severity, size } : one))
  state.put('Turnstile', key, { ...turnstile, waiting })
  return true
}

/** A letter that was claimed and never begun counts for nothing. */
export const giveBackToLimits = (letter: Letter, context: LimitedTurn): void => {
  const { state, turn, options } = context
  if (!isLimited(letter.channel, options)) return
  const first = decode('Notice', state.getBytes(noticeKey(letter.id, 1)) as Uint8Array)
  const limits = options.channels.get(letter.channel)?.limits
  if (limits === undefined) return
  for (const share of sharesOf(letter.channel, first, limits, context))
    state.put('Bucket', share.key, givenBack(share.rule, bucketAt(context, share), turn.now))
  const key = turnstileKey(letter.channel, first)
  const turnstile = state.get('Turnstile', key)
  if (limits.recipient !== null && turnstile !== undefined)
    state.put('Turnstile', key, givenBack(limits.recipient, turnstile, turn.now))
}
