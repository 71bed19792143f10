import type { NewRecord, TaskState } from '../../connectors/log/event-log.ts'
import type { CollectCursor } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { type MarkMemory, openMarkMemory } from '../runtime/mark-memory.ts'
import { type Marks, marksIn } from '../runtime/marks.ts'
import { openTurnState, type TurnState } from '../runtime/turn-state.ts'
import {
  type FlowEndMemory,
  type FlowEnds,
  forgetFlowEnds,
  isKnownEnd,
  openFlowEndMemory,
  openFlowEnds,
} from './flow-ends.ts'
import type { ReadyRow } from './ready-row.ts'
import { cameBefore } from './twins.ts'

const markBucketMs = 3_600_000
const endedKeptMs = 7 * 86_400_000
/** At each step of a cursor, twice a minute: hundreds of rows a second may come for days, and none of them is remembered for ever. */
const mostForgotten = 10_000
const seenPrefix = (org: string, queue: string): string => `seen/${org}/${queue}`

/** What a task remembers of the rows that it took. */
export interface RowMemory {
  readonly marks: MarkMemory
  readonly ends: FlowEndMemory
}

export const openRowMemory = (): RowMemory => ({ marks: openMarkMemory(), ends: openFlowEndMemory() })

/** Whether a row of history is in the log already, by what a task has committed. */
export const isKnownRow = (state: TaskState, { org, source, origin, identified, isUnreadable }: ReadyRow): boolean => {
  if (isUnreadable || (origin !== 'history' && source.logs === undefined)) return false
  if (identified.ended !== undefined) return isKnownEnd(state, org, identified.ended)
  const seen = marksIn(openTurnState(state), seenPrefix(org, source.queue), markBucketMs)
  return seen.get(identified.id, identified.receivedAt) !== undefined
}

/** What becomes of a row, given the cursor of its queue: its records, or none when it came before, or lies before the queue's beginning. */
export type RowTaking = (row: ReadyRow, cursor: CollectCursor | undefined) => readonly NewRecord[]

/** Opens the taking of one turn's rows; what was taken is noted in the turn's state. */
export const openRowTaking = (state: TurnState, memory: RowMemory): RowTaking => {
  memory.marks.beginTurn()
  memory.ends.beginTurn()
  const seenOf = remembered((prefix): Marks => marksIn(state, prefix, markBucketMs, memory.marks))
  const endsOf = remembered((org): FlowEnds => openFlowEnds(state, org, memory.ends))
  return ({ org, source, origin, identified, isUnreadable, records }, cursor) => {
    const isReadBack = origin === 'history' || source.logs !== undefined
    if (isReadBack && !isUnreadable && cursor !== undefined && identified.receivedAt < cursor.began_at) return []
    const { ended } = identified
    if (ended === undefined) return cameBefore(seenOf(seenPrefix(org, source.queue)), identified, origin) ? [] : records
    const ends = endsOf(org)
    if (ends.has(ended)) return []
    // Whoever looks through flows finds by this that an event has told of one.
    if (origin === 'sweep' && (ends.hasOfFlow(ended) || ended.at < (cursor?.began_at ?? 0))) return []
    ends.add(ended)
    return records
  }
}

const remembered = <T>(open: (name: string) => T): ((name: string) => T) => {
  const opened = new Map<string, T>()
  return (name) => {
    const known = opened.get(name) ?? open(name)
    opened.set(name, known)
    return known
  }
}

/** Forgets rows of a queue, and ends of flows, that are too old to come again once everything before `readTo` has been read. */
export const forgetRows = (
  state: TurnState,
  { org, queue, readTo }: { readonly org: string; readonly queue: string; readonly readTo: EpochMs },
): void => {
  marksIn(state, seenPrefix(org, queue), markBucketMs).forget(readTo - 2 * markBucketMs, mostForgotten)
  forgetFlowEnds(state, org, readTo - endedKeptMs, mostForgotten)
}
