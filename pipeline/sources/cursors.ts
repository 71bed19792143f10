import type { TaskState } from '../../connectors/log/event-log.ts'
import { decode } from '../../schemas/codec.ts'
import type { CollectCursor } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { TurnState } from '../runtime/turn-state.ts'
import type { QueueSource } from './queue-source.ts'
import { isLogs } from './readers.ts'
import { overlapMs, type ProgressArrival } from './subscription.ts'
import { forgetRows } from './take-row.ts'

const cursorEveryMs = 30_000
/** How far is read back where the server's clock was set back while nobody listened: by how much, nobody can say. What comes twice is known for longer. */
const setBackSpanMs = 24 * 3_600_000
/** Rows told live up to a beat may still be on their way when it comes. */
export const beatMarginMs = 2000

/** Where a queue's cursor lies in the state of its task. */
export const cursorKey = (org: string, queue: string): string => `cursor/${org}/${queue}`

/** The cursor that a task has committed; undefined: the queue has not begun. */
export const cursorIn = (state: TaskState, org: string, queue: string): CollectCursor | undefined => {
  const stored = state.get(cursorKey(org, queue))
  return stored === undefined ? undefined : decode('CollectCursor', stored)
}

interface Reader {
  readonly org: string
  readonly sources: readonly QueueSource[]
}

/** Whether every queue of an organisation has a cursor; logs are not waited for. */
export const haveBegun = (state: TurnState, readers: readonly Reader[], org: string): boolean =>
  readers.every(
    (reader) =>
      reader.org !== org ||
      reader.sources.every((source) => isLogs(source) || state.getBytes(cursorKey(org, source.queue)) !== undefined),
  )

/** Moves a queue's cursor; a beat moves it only once the queue is in sync, and not at every beat. `begun`: where first runs began, by key. */
export const advance = (
  state: TurnState,
  held: ProgressArrival & { readonly org: string },
  queue: string,
  begun: ReadonlyMap<string, EpochMs>,
): void => {
  const key = cursorKey(held.org, queue)
  const cursor = state.get('CollectCursor', key)
  if (cursor === undefined) {
    const began_at = Math.min(begun.get(key) ?? held.at, held.at)
    state.put('CollectCursor', key, { org: held.org, queue, began_at, history_at: began_at, scanned: [] })
    return
  }
  const history_at = movedTo(cursor, held)
  if (history_at === null) return
  const scanned = (held.kind === 'complete' ? held.scanned : undefined) ?? cursor.scanned
  // What comes by a clock that was set back would else lie before a beginning by the clock of before.
  const began_at = history_at < cursor.history_at ? Math.min(cursor.began_at, held.at - overlapMs) : cursor.began_at
  state.put('CollectCursor', key, { ...cursor, began_at, history_at, scanned })
  forgetRows(state, { org: held.org, queue, readTo: history_at - overlapMs })
}

/** Whether a cursor lies so far ahead of the server's time that the server's clock was set back since. */
const isAhead = (at: EpochMs, serverNow: EpochMs): boolean => at > serverNow + overlapMs

/** Until when a queue has been read, by the server's clock of now. `isHeard`: it was listened to until now. */
export const readUntil = (at: EpochMs, serverNow: EpochMs, isHeard: boolean): EpochMs => {
  if (!isAhead(at, serverNow)) return at
  return isHeard ? serverNow : Math.max(0, serverNow - setBackSpanMs)
}

/** Where an arrival moves a cursor to, epoch ms; null: it stays. It goes back only with the server's clock. */
export const movedTo = (cursor: CollectCursor | undefined, arrival: ProgressArrival): EpochMs | null => {
  if (cursor === undefined) return arrival.at
  const at = arrival.kind === 'complete' ? arrival.at : arrival.at - beatMarginMs
  if (isAhead(cursor.history_at, at) && (arrival.isInSync || arrival.kind === 'beat'))
    return readUntil(cursor.history_at, at, arrival.isInSync)
  if (arrival.kind === 'complete') return at > cursor.history_at ? at : null
  return arrival.isInSync && at - cursor.history_at >= cursorEveryMs ? at : null
}
