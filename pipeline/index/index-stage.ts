import { SqliteError } from 'better-sqlite3'
import { existsSync } from 'node:fs'
import { finalize, type Observable } from 'rxjs'
import { asLogError } from '../../connectors/log/embedded/store-errors.ts'
import type { EventLog, LogRecord, Task, Turn } from '../../connectors/log/event-log.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { Tell } from '../../schemas/happenings.ts'
import { topics } from '../../schemas/topics.ts'
import type { Backoff, Random } from '../runtime/backoff.ts'
import { decodeAll } from '../runtime/decoding.ts'
import { throughOutages } from '../runtime/outage.ts'
import { runTopology, type TurnResult } from '../runtime/run-topology.ts'
import { type IndexWriter, type KeptOutcome, openIndexWriter } from './index-writer.ts'
import { belongsTo } from './index-origin.ts'
import { inMemory, openIndex, type OutcomeIndex, removeIndex } from './outcome-index.ts'

export interface IndexOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
  /** The index's database file; null: in memory, for as long as the stage runs. */
  readonly file: string | null
}

const mostRecords = 1000
const pruneEveryMs = 60_000
const outageWaits: Backoff = { firstMs: 500, longestMs: 30_000 }

/** The index that every task of the process writes into. */
interface Kept {
  index: OutcomeIndex
  writer: IndexWriter
  readonly tasks: Set<Task>
  /** Partitions that were compared with the log since the index was opened. */
  readonly compared: Set<number>
  prunedAt: EpochMs
}

/**
 * Keeps an index of outcomes for `why` and `audit`. Its own positions rule, not the task's: what it lacks (its file was deleted, is of
 * another version, or lost its last commits) is read from the log again, and what it has already is skipped.
 */
export const index = (options: IndexOptions): Observable<never> => {
  const tasks = new Set<Task>()
  let kept: Kept | undefined
  // Not before a turn needs it: a turn can wait for a disk that takes nothing now.
  const keep = (): Kept => (kept ??= { ...opened(options), tasks, compared: new Set(), prunedAt: options.clock.now() })
  return runTopology(options.log, { name: 'index', inputs: [topics.outcomes.name], mostRecords }, (task) => {
    tasks.add(task)
    // Also without a new outcome: the index may lack old ones.
    task.wake(options.clock.now())
    return { turn: (turn) => indexTurn(task, turn, keep, options) }
  }).pipe(finalize(() => kept?.index.close()))
}

const opened = ({ file }: IndexOptions): Pick<Kept, 'index' | 'writer'> => {
  const index = openIndex(file ?? inMemory)
  return { index, writer: openIndexWriter(index) }
}

/** A disk that takes nothing now is waited for; everything else is as it is. */
const asOutage = (cause: unknown, file: string | null): unknown => {
  const error = asLogError(cause, file ?? inMemory)
  return cause instanceof SqliteError && error.code === 'LOG_UNAVAILABLE' ? error : cause
}

const nothing: TurnResult = { append: [], put: [] }

const indexTurn = (task: Task, turn: Turn, keep: () => Kept, options: IndexOptions): Promise<TurnResult> => {
  const { clock, random, tell, file } = options
  const { partition } = task
  const take = (): Promise<TurnResult> =>
    takeTurn(task, turn, keep, options).catch((cause: unknown) => Promise.reject(asOutage(cause, file)))
  return throughOutages(take, task.lost, {
    clock,
    random,
    tell,
    waits: outageWaits,
    began: (reason) => ({ name: 'log unavailable', topology: 'index', partition, reason }),
    ended: (away_ms) => ({ name: 'log available again', topology: 'index', partition, away_ms }),
  })
}

const takeTurn = async (task: Task, turn: Turn, keep: () => Kept, options: IndexOptions): Promise<TurnResult> => {
  const { log, file } = options
  const kept = keep()
  const { partition } = task
  if (file !== null && !existsSync(file)) reopen(kept, options)
  if (!kept.compared.has(partition)) {
    const belongs = await belongsTo(log, partition, kept.index.applied(partition))
    if (belongs === false) startAnew(kept, options)
    if (belongs !== null) kept.compared.add(partition)
  }
  // Another task may have begun the index anew meanwhile.
  while (!(await bringUpToDate(turn.records, task, kept, options))) task.lost.throwIfAborted()
  await prune(turn.now, kept, options)
  return nothing
}

/** Applies what the index lacks before the records, then the records. Says whether it could: not when the index was begun anew. */
const bringUpToDate = async (
  records: readonly LogRecord[],
  task: Task,
  kept: Kept,
  options: IndexOptions,
): Promise<boolean> => {
  const { partition } = task
  let { next } = kept.index.applied(partition)
  const [first] = records
  if (first === undefined || first.offset > next) {
    const to = first === undefined ? {} : { to: { offset: first.offset } }
    for await (const earlier of options.log.read({
      topic: topics.outcomes.name,
      partition,
      from: { offset: next },
      ...to,
    })) {
      if (!(await take(earlier, next, task, kept, options))) return false
      next = (earlier.at(-1) as LogRecord).offset + 1
    }
  }
  return take(records, next, task, kept, options)
}

const take = async (
  records: readonly LogRecord[],
  next: number,
  { partition, lost }: Task,
  kept: Kept,
  options: IndexOptions,
): Promise<boolean> => {
  const outcomes = await readOutcomes(records, options, lost)
  lost.throwIfAborted()
  return kept.writer.apply(partition, next, outcomes)
}

/** Records of the topic of outcomes as an index takes them. */
export const readOutcomes = async (
  records: readonly LogRecord[],
  options: Pick<IndexOptions, 'log' | 'clock' | 'tell'>,
  lost: AbortSignal,
): Promise<readonly KeptOutcome[]> =>
  (await decodeAll('Outcome', records, options, lost)).map((decoded) => ({
    offset: decoded.record.offset,
    timestamp: decoded.record.timestamp,
    outcome: 'problem' in decoded ? null : decoded.value,
  }))

/** The file was deleted while it was open: what is written there no longer reaches anybody. */
const reopen = (kept: Kept, options: IndexOptions): void => {
  const { file } = options
  kept.index.close()
  if (file !== null) removeIndex(file)
  Object.assign(kept, opened(options))
  wakeAll(kept, options)
}

const startAnew = (kept: Kept, options: IndexOptions): void => {
  kept.writer.clear()
  wakeAll(kept, options)
}

const wakeAll = ({ tasks, compared }: Kept, { clock }: IndexOptions): void => {
  compared.clear()
  for (const task of tasks)
    if (task.lost.aborted) tasks.delete(task)
    else task.wake(clock.now())
}

/** Only beside outcomes that come: no clock is asked to wake anybody for it. */
const prune = async (now: EpochMs, kept: Kept, { log }: IndexOptions): Promise<void> => {
  if (now - kept.prunedAt < pruneEveryMs) return
  kept.prunedAt = now
  const floors = await Promise.all(
    Array.from({ length: log.partitions }, (_, partition) => firstOffset(log, partition)),
  )
  if (kept.writer.prune(floors.map((floor, partition) => floor ?? kept.index.applied(partition).next)))
    kept.prunedAt = now - pruneEveryMs
}

const firstOffset = async (log: EventLog, partition: number): Promise<number | undefined> => {
  for await (const [record] of log.read({ topic: topics.outcomes.name, partition })) return record?.offset
  return undefined
}
