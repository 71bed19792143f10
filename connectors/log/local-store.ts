import type { ConnectorError } from '../errors.ts'
import type { EpochMs } from '../../schemas/time.ts'
import type { Commit, LogRecord, NewRecord, TaskState } from './event-log.ts'

/** One all-or-nothing change: what a task commits, or an append from outside (no task, nothing put). */
export interface Write {
  readonly records: readonly NewRecord[]
  /** For each record the slot that it goes to: its topic's index × partitions + its partition. */
  readonly slots: readonly number[]
  readonly put: Commit['put']
  readonly task: TaskWrite | undefined
}

export interface TaskWrite {
  readonly id: number
  /** Index of an input topic, and the offset that the task reads next there. */
  readonly positions: readonly (readonly [topic: number, next: number])[]
}

/** The records' offsets, or why nothing of the write was kept. */
export type WriteResult = readonly number[] | ConnectorError

export interface OpenedTask {
  readonly id: number
  readonly state: TaskState
  /** As `Task` says it. */
  readonly othersAreDead: boolean
  /** The offset to go on from, by the topic's index; undefined when the task never committed one. */
  position(topic: number): number | undefined
}

/** What a log whose tasks run in this process stands on. Reading is synchronous; what fails throws ConnectorError. */
export interface LocalStore {
  /** The offset that the next record of the slot gets. */
  end(slot: number): number
  /** Retention removed everything below this offset. */
  floor(slot: number): number
  /** Records from `from` (inclusive) to `to` (exclusive) in order: at most `most`, and not many bytes; none only when there is none. */
  page(slot: number, from: number, to: number, most: number): readonly LogRecord[]
  /** The first kept record appended at or after `time`, else the end. */
  offsetAt(slot: number, time: EpochMs): number
  /** Sees what other processes wrote to the slot; whether there was something. */
  refresh(slot: number): boolean
  openTask(topology: string, partition: number): OpenedTask
  /**
   * Durable when it returns or resolves, in the order of the calls; each write all or nothing by itself. Neither throws nor rejects.
   * What it writes is seen here no later than by who waits for it.
   */
  write(writes: readonly Write[]): readonly WriteResult[] | Promise<readonly WriteResult[]>
  /** Makes this process the one that owns the tasks; LOG_DENIED when another one does. Calling it again is harmless. */
  own(): void
  /** Only once everything written was answered. */
  close(): void | Promise<void>
}
