import type { Observable } from 'rxjs'
import type { EpochMs } from '../../schemas/time.ts'

/** State keys are text, ordered by their UTF-8 bytes. */
export type StateKey = string

/** Where a record stands. Offsets grow within a partition of a topic; they may have gaps. */
export interface Position {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface NewRecord {
  readonly topic: string
  /** Chooses the partition (murmur2, as Kafka's default partitioner) unless `partition` is given. */
  readonly key: string
  readonly value: Uint8Array
  readonly partition?: number
}

export interface LogRecord extends Position {
  /** Epoch ms of the append. */
  readonly timestamp: EpochMs
  readonly key: string
  readonly value: Uint8Array
}

/** Inputs partitioned alike. Without inputs: `slots` tasks that only wake. */
export interface Topology {
  readonly name: string
  /** Topic names. */
  readonly inputs: readonly string[]
  /** Number of tasks of a topology without inputs; default: the log's partition count. */
  readonly slots?: number
  /** Records in one turn at most; default 500. */
  readonly mostRecords?: number
  /** Inputs whose records may wait some 100 ms for more of them, so that fewer turns take them; a log need not heed it. */
  readonly unhurried?: readonly string[]
}

/** A bound of a range: the offset itself, or the first record appended at or after a time. */
export type Bound = { readonly offset: number } | { readonly timestamp: EpochMs }

export interface Range {
  readonly topic: string
  readonly partition: number
  /** Inclusive; default: the oldest record kept. */
  readonly from?: Bound
  /** Exclusive; default: the end at the moment of the call. */
  readonly to?: Bound
}

/** A partitioned, durable log. Every adapter passes the same contract suite (test/contracts/event-log.contract.ts). */
export interface EventLog {
  /** Partitions of every topic, fixed when the log was made. */
  readonly partitions: number
  /**
   * Facts from outside a task (a receipt, a command, a marker). Any process may; never fenced. Durable when it resolves,
   * in the order given, answering with the positions in that order. Rejects with ConnectorError: LOG_REFUSED (a record
   * too large, an unknown topic or partition), LOG_UNAVAILABLE (disk full, broker away), CLOSED.
   */
  append(records: readonly NewRecord[]): Promise<readonly Position[]>
  /**
   * One Task per partition won; a new one when a task died but its partition stayed. Unsubscribing voids open turns,
   * leaves, completes every task. Errors with ConnectorError LOG_DENIED when somebody else holds the tasks.
   */
  tasks(topology: Topology): Observable<Task>
  /** A range without a group, in batches and in order: the reader sets the pace; the writer goes on beside it. */
  read(range: Range): AsyncIterable<readonly LogRecord[]>
  /** Ends every task and read, lets running commits end; may be called twice. */
  close(): Promise<void>
}

export interface Task {
  readonly topology: string
  readonly partition: number
  /** Aborted when revoked, fenced, failed or closing: begin nothing outside; what has begun ends and is still written down. */
  readonly lost: AbortSignal
  /** Every other process that ever owned this partition is known to have ended, not only to be fenced: nothing that it began outside goes on. */
  readonly othersAreDead: boolean
  /** Restored; synchronous, local: exactly what this task committed. */
  readonly state: TaskState
  /** One open turn at a time; the next follows its commit: that is the back-pressure. Completes when the task is lost. */
  readonly turns: Observable<Turn>
  /** A turn by then, with records or none; the earliest wins. Not durable: a task asks again from its state. */
  wake(at: EpochMs): void
}

export interface Turn {
  readonly now: EpochMs
  /** In order within each topic, as many as have come, bounded. Empty: only the wake-up. */
  readonly records: readonly LogRecord[]
  /**
   * All or nothing, positions implied: outputs, state and input positions. A rejection ends the task; reopening
   * resolves the doubt; never retried here. Rejects with ConnectorError (as append), or CLOSED when the turn is void.
   */
  commit(step: Commit): Promise<void>
}

export interface Commit {
  readonly append: readonly NewRecord[]
  /** null deletes. A key given twice: the last wins. */
  readonly put: readonly (readonly [StateKey, Uint8Array | null])[]
}

export interface TaskState {
  get(key: StateKey): Uint8Array | undefined
  /** Keys from `from` (inclusive) to `to` (exclusive), in order; a snapshot of the moment of the call is not promised beyond the next commit. */
  range(from: StateKey, to: StateKey): Iterable<readonly [StateKey, Uint8Array]>
}
