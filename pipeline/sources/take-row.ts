import type { NewRecord, TaskState } from '../../connectors/log/event-log.ts'
import type { CollectCursor } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { MarkMemory } from '../runtime/mark-memory.ts'
import { type Marks, marksIn } from '../runtime/marks.ts'
import { openTurnState, type TurnState } from '../runtime/turn-state.ts'
import type { FlowEnd } from './queue-source.ts'
import type { ReadyRow } from './ready-row.ts'
import { cameBefore } from './twins.ts'

const markBucketMs = 3_600_000
/** Flows that ended, so that a look through all flows tells none of them again. */
const endedPrefix = (org: string): string => `ended/${org}`
const endedBucketMs = 86_400_000
const endedKeptMs = 7 * endedBucketMs
const seenPrefix = (org: string, queue: string): string => `seen/${org}/${queue}`

/** Whether a row of history is in the log already, by what a task has committed. */
export const isKnownRow = (state: TaskState, { org, source, origin, identified, isUnreadable }: ReadyRow): boolean => {
  if (isUnreadable || (origin !== 'history' && source.logs === undefined)) return false
  const seen = marksIn(openTurnState(state), seenPrefix(org, source.queue), markBucketMs)
  return seen.get(identified.id, identified.receivedAt) !== undefined
}

/** What becomes of a row, given the cursor of its queue: its records, or none when it came before, or lies before the queue's beginning. */
export type RowTaking = (row: ReadyRow, cursor: CollectCursor | undefined) => readonly NewRecord[]

/** Opens the taking of one turn's rows; what was taken is noted in the turn's state. */
export const openRowTaking = (state: TurnState, memory: MarkMemory): RowTaking => {
  memory.beginTurn()
  const seenOf = remembered((prefix) => marksIn(state, prefix, markBucketMs, memory))
  const endedOf = remembered((prefix) => marksIn(state, prefix, endedBucketMs))
  return ({ org, source, origin, identified, isUnreadable, records }, cursor) => {
    const isReadBack = origin === 'history' || source.logs !== undefined
    if (isReadBack && !isUnreadable && cursor !== undefined && identified.receivedAt < cursor.began_at) return []
    if (cameBefore(seenOf(seenPrefix(org, source.queue)), identified, origin)) return []
    const { ended } = identified
    if (ended === undefined) return records
    const marks = endedOf(endedPrefix(org))
    if (origin === 'sweep' && (isKnownEnd(marks, ended) || ended.at < (cursor?.began_at ?? 0))) return []
    // Whoever looks through flows finds by this that an event has told of one.
    marks.put(endedKey(ended), { event: '', at: ended.at })
    return records
  }
}

const remembered = (open: (prefix: string) => Marks): ((prefix: string) => Marks) => {
  const opened = new Map<string, Marks>()
  return (prefix) => {
    const known = opened.get(prefix) ?? open(prefix)
    opened.set(prefix, known)
    return known
  }
}

/** A flow's id begins with its time, so that marks of flows that end together lie together: a commit then writes few pages. */
const endedKey = ({ client, flow }: FlowEnd): string => `${flow}/${client}`

const isKnownEnd = (marks: Marks, { client, flow, at }: FlowEnd): boolean =>
  (marks.get(endedKey({ client, flow, at }), at) ?? marks.get(`${client}/${flow}`, at)) !== undefined

/** Forgets rows of a queue, and ends of flows, that are too old to come again once everything before `readTo` has been read. */
export const forgetRows = (
  state: TurnState,
  { org, queue, readTo }: { readonly org: string; readonly queue: string; readonly readTo: EpochMs },
): void => {
  marksIn(state, seenPrefix(org, queue), markBucketMs).forget(readTo - 2 * markBucketMs)
  marksIn(state, endedPrefix(org), endedBucketMs).forget(readTo - endedKeptMs)
}
