import type { NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { CollectCursor } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { type MarkMemory, marksIn } from '../runtime/marks.ts'
import { mostRowBytes } from '../runtime/record-sizes.ts'
import { rejection } from '../runtime/rejection.ts'
import { openTurnState, type TurnState } from '../runtime/turn-state.ts'
import { readFlowCompletion } from './flow-completion-row.ts'
import { substanceHash } from './substance.ts'
import type { Arrival } from './subscription.ts'
import { cameBefore } from './twins.ts'

/** A row of an organisation's queue that waits for the log. */
export type HeldRow = Extract<Arrival, { readonly kind: 'row' }> & { readonly org: string }

const markBucketMs = 3_600_000
/** Flows that ended, so that a look through all flows tells none of them again. */
const endedPrefix = (org: string): string => `ended/${org}`
const endedBucketMs = 86_400_000
const endedKeptMs = 7 * endedBucketMs
const seenPrefix = (org: string, queue: string): string => `seen/${org}/${queue}`

/** Whether a row of history is in the log already, by what a task has committed. */
export const isKnownRow = (
  state: Parameters<typeof openTurnState>[0],
  { org, source, row, origin, copy }: HeldRow,
  now: EpochMs,
): boolean => {
  if (origin !== 'history' && source.logs === undefined) return false
  try {
    const { id, receivedAt } = source.identify(org, row, now, copy)
    return marksIn(openTurnState(state), seenPrefix(org, source.queue), markBucketMs).get(id, receivedAt) !== undefined
  } catch {
    return false
  }
}

export interface RowTaking {
  readonly now: EpochMs
  readonly state: TurnState
  readonly memory: MarkMemory
  /** Of the row's queue. */
  readonly cursor: CollectCursor | undefined
}

/** The records that a row becomes: none when it came before, or lies before the queue's beginning; a reject when it has no identity. */
export const takeRow = (held: HeldRow, { now, state, memory, cursor }: RowTaking): readonly NewRecord[] => {
  const { org, source, json, row, origin, copy } = held
  try {
    const identified = source.identify(org, row, now, copy)
    const { id, key, receivedAt } = identified
    const isReadBack = origin === 'history' || source.logs !== undefined
    if (isReadBack && cursor !== undefined && receivedAt < cursor.began_at) return []
    const seen = marksIn(state, seenPrefix(org, source.queue), markBucketMs, memory)
    if (cameBefore(seen, identified, origin)) return []
    if (source.endsFlows === true && !isFirstEnd(held, state, now, cursor)) return []
    const kept = Buffer.byteLength(json) <= mostRowBytes ? json : source.shorten(row)
    const queue = identified.queue ?? source.queue
    const raw = { org, queue, id, received_at: receivedAt, read_at: now, origin, row: kept }
    return [{ topic: source.topic.name, key, value: encode('RawEvent', raw) }]
  } catch (cause) {
    return rejectRow(held, now, state, (cause as Error).message)
  }
}

/** Forgets rows of a queue, and ends of flows, that are too old to come again once everything before `readTo` has been read. */
export const forgetRows = (
  state: TurnState,
  { org, queue, readTo }: { readonly org: string; readonly queue: string; readonly readTo: EpochMs },
): void => {
  marksIn(state, seenPrefix(org, queue), markBucketMs).forget(readTo - 2 * markBucketMs)
  marksIn(state, endedPrefix(org), endedBucketMs).forget(readTo - endedKeptMs)
}

/** Remembers that a flow ended. A flow found by looking through all is told only if no event has said so before. */
const isFirstEnd = (
  { org, row, origin }: HeldRow,
  state: TurnState,
  now: EpochMs,
  cursor: CollectCursor | undefined,
): boolean => {
  const { client, flow, timestamp, receivedAt } = readFlowCompletion(row)
  const at = timestamp ?? receivedAt ?? now
  const ended = marksIn(state, endedPrefix(org), endedBucketMs)
  const key = `${client}/${flow}`
  if (origin === 'sweep' && (ended.get(key, at) !== undefined || at < (cursor?.began_at ?? 0))) return false
  ended.put(key, { event: '', at })
  return true
}

/** A row that cannot be identified is set aside once, however often history repeats it. */
const rejectRow = (
  { org, source, json, row }: HeldRow,
  now: EpochMs,
  state: TurnState,
  reason: string,
): readonly NewRecord[] => {
  const id = `${org}/unreadable/${substanceHash(row, json)}`
  const seen = marksIn(state, seenPrefix(org, source.queue), markBucketMs)
  if (seen.get(id, now) !== undefined) return []
  seen.put(id, { event: '', at: now })
  const origin = { stage: 'collect', topic: '', partition: -1, offset: -1, key: `${org}/${source.queue}` }
  return rejection({ ...origin, reason, at: now, bytes: Buffer.from(json) }, { event: id, org, received_at: now })
}
