import type { Database } from 'better-sqlite3'
import type { Tell } from '../../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../../schemas/time.ts'
import type { Shelf } from './shelves.ts'
import { asLogError, isBusy } from './store-errors.ts'

/** Removes what is kept no longer, a little at a time. */
export interface Retention {
  start(): void
  /** Counts what was written, so that a limit of size is looked after in time. */
  written(bytes: number): void
  stop(): void
}

export interface RetentionOptions {
  readonly writer: Database
  readonly shelves: readonly Shelf[]
  readonly clock: Clock
  readonly tell: Tell
  /** Bytes of the whole log above which the oldest records go, of topics that are not kept for ever. */
  readonly maxBytes: number | undefined
  /** Runs now, or as soon as nothing is being written. */
  readonly whenFree: (call: () => void) => void
}

/** Rows of one step: some milliseconds. */
const stepRows = 1000
const betweenStepsMs = 20
const everyMs = 60_000

export const openRetention = ({ writer, shelves, clock, tell, maxBytes, whenFree }: RetentionOptions): Retention => {
  const sweeps = shelves.map((shelf) => openSweep(writer, shelf))
  const ageing = sweeps.filter(({ shelf }) => shelf.topic.keptMs !== undefined && shelf.topic.compacted !== true)
  const compacting = sweeps.filter(({ shelf }) => shelf.topic.compacted === true)
  const pages = writer.prepare<[], number>('PRAGMA page_count').pluck()
  const freePages = writer.prepare<[], number>('PRAGMA freelist_count').pluck()
  const pageSize = writer.pragma('page_size', { simple: true }) as number
  let cancel: () => void = () => undefined
  let isStarted = false
  let since = 0

  const usedBytes = (): number => ((pages.get() ?? 0) - (freePages.get() ?? 0)) * pageSize

  const removed = ({ shelf }: Sweep, count: number, reason: string): boolean => {
    if (count === 0) return false
    tell({ name: 'retention removed records', topic: shelf.topic.name, partition: shelf.partition, count, reason })
    return count >= stepRows
  }

  const byTime = (): boolean =>
    ageing
      .map((sweep) => removed(sweep, sweep.removeBefore(clock.now() - (sweep.shelf.topic.keptMs as number)), 'time'))
      .includes(true)

  const bySize = (): boolean => {
    if (maxBytes === undefined || usedBytes() <= maxBytes) return false
    const oldest = ageing
      .map((sweep) => ({ sweep, time: sweep.oldest() ?? Infinity }))
      .reduce((least, each) => (each.time < least.time ? each : least), {
        sweep: undefined as Sweep | undefined,
        time: Infinity,
      })
    if (oldest.sweep === undefined) return false
    removed(oldest.sweep, oldest.sweep.removeBefore(Infinity), 'size')
    return true
  }

  const byKey = (): boolean =>
    compacting.map((sweep) => removed(sweep, sweep.removeOvertaken(), 'compaction')).includes(true)

  const step = (): void => {
    let isMore = false
    since = 0
    try {
      isMore = [byTime(), bySize(), byKey()].includes(true)
    } catch (cause) {
      if (!isBusy(cause))
        tell({ name: 'log unavailable', reason: asLogError(cause, writer.name).message, during: 'retention' })
    }
    schedule(isMore ? betweenStepsMs : everyMs)
  }

  const stepUnlessStopped = (): void => {
    if (isStarted) step()
  }

  const schedule = (wait: number): void => {
    cancel()
    if (isStarted) cancel = clock.at(clock.now() + wait, () => whenFree(stepUnlessStopped))
  }

  return {
    start: () => {
      if (isStarted) return
      isStarted = true
      schedule(betweenStepsMs)
    },
    written: (bytes) => {
      since += bytes
      if (maxBytes === undefined || since < maxBytes / 20) return
      since = 0
      schedule(betweenStepsMs)
    },
    stop: () => {
      isStarted = false
      cancel()
    },
  }
}

interface Sweep {
  readonly shelf: Shelf
  oldest(): EpochMs | undefined
  /** Removes records from the oldest on, as far as they are older than `time`; answers how many, `stepRows` at most. */
  removeBefore(time: EpochMs): number
  /** Removes records that a newer one of the same key has overtaken, unless nothing came since the last time. */
  removeOvertaken(): number
}

const openSweep = (writer: Database, shelf: Shelf): Sweep => {
  const { table, topicId, partition } = shelf
  const first = writer.prepare<[], EpochMs>(`SELECT time + behind FROM ${table} ORDER BY offset LIMIT 1`).pluck()
  const last = writer.prepare<[number, EpochMs], { offset: number; latest: EpochMs }>(
    `SELECT offset, latest FROM (SELECT offset, time + behind AS latest FROM ${table} ORDER BY offset LIMIT ?)
      WHERE latest < ? ORDER BY offset DESC LIMIT 1`,
  )
  const remove = writer.prepare<[number]>(`DELETE FROM ${table} WHERE offset <= ?`)
  const raise = writer.prepare<[number, number, number, EpochMs]>(
    'INSERT OR REPLACE INTO trimmed (topic, partition, floor, time) VALUES (?, ?, ?, ?)',
  )
  const overtaken = writer.prepare<[number]>(
    `DELETE FROM ${table} WHERE offset IN (SELECT older.offset FROM ${table} AS older WHERE EXISTS
      (SELECT 1 FROM ${table} AS newer WHERE newer.key = older.key AND newer.offset > older.offset) LIMIT ?)`,
  )
  let compactedTo = -1

  const removeBefore = writer.transaction((time: EpochMs): number => {
    const upTo = last.get(stepRows, time)
    if (upTo === undefined) return 0
    const { changes } = remove.run(upTo.offset)
    raise.run(topicId, partition, upTo.offset + 1, upTo.latest)
    return changes
  })

  return {
    shelf,
    oldest: () => first.get(),
    removeBefore: (time) => {
      try {
        return removeBefore.immediate(time)
      } finally {
        shelf.forget()
      }
    },
    removeOvertaken: () => {
      if (shelf.end() === compactedTo) return 0
      const { changes } = overtaken.run(stepRows)
      if (changes < stepRows) compactedTo = shelf.end()
      return changes
    },
  }
}
