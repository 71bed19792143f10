import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import type { Topic } from '../../schemas/topics.ts'
import { openAdmission } from './admission.ts'
import { openCommitLine } from './embedded/commit-line.ts'
import { checkDatabase, openDatabase, type LogDatabase } from './embedded/database.ts'
import { openEmbeddedStore } from './embedded/embedded-store.ts'
import { takeOwnership, type Ownership } from './embedded/owner.ts'
import { openRetention } from './embedded/retention.ts'
import { fixPartitions, openShelves } from './embedded/shelves.ts'
import { asLogError } from './embedded/store-errors.ts'
import { openTaskRows } from './embedded/task-rows.ts'
import { openLocalLog, type LocalLog } from './local-log.ts'
import type { CommitFault } from './running-task.ts'

/** A durable log in a directory of this machine. */
export type EmbeddedLog = LocalLog

export interface EmbeddedLogOptions {
  /** Made with mode 0700 when missing; its files get 0600. */
  readonly dir: string
  /** Topics that the log does not have yet are added. */
  readonly topics: readonly Topic[]
  /** Fixed when the log is made; default 4. */
  readonly partitions?: number
  readonly clock: Clock
  readonly tell: Tell
  /** Beyond the time that each topic is kept: bytes of the log above which its oldest records go, read or not. */
  readonly retention?: { readonly maxBytes?: number }
  /** Key and value of one record at most. */
  readonly maxRecordBytes?: number
  /** What befalls each commit; for tests. */
  readonly commitFault?: CommitFault
  /** For tests: SQL that the writing connection runs before each transaction. */
  readonly unsafeStatements?: () => readonly string[]
}

const usualPartitions = 4

/**
 * Opens a directory's log. Any process may append and read; the first `tasks()` makes this one the owner of the tasks
 * until `close`. Retention removes what is too old whether it was read or not, and says so to who had not read it.
 * Rejects with ConnectorError: LOG_DENIED (damaged, newer, made otherwise, not permitted), LOG_UNAVAILABLE (disk full).
 */
export const openEmbeddedLog = async (options: EmbeddedLogOptions): Promise<EmbeddedLog> => {
  const database = openDatabase(options)
  try {
    return assemble(database, options)
  } catch (cause) {
    database.close()
    throw asLogError(cause, database.file)
  }
}

const assemble = (database: LogDatabase, options: EmbeddedLogOptions): EmbeddedLog => {
  const { dir, topics, clock, tell, maxRecordBytes, commitFault, unsafeStatements } = options
  const partitions = fixPartitions(database, options.partitions, usualPartitions)
  const shelves = openShelves(database, { topics, partitions })
  const topicIds = topics.map((_, index) => shelves[index * partitions]?.topicId as number)
  const rows = openTaskRows(database.writer, topicIds)
  const line = openCommitLine({
    file: database.file,
    tables: shelves.map(({ table, topicId, partition }) => ({ name: table, topicId, partition })),
    topicIds,
    onChanged: () => {
      for (const shelf of shelves) shelf.forget()
      lookSoon()
    },
    statements: unsafeStatements ?? (() => []),
  })
  const retention = openRetention({
    writer: database.writer,
    shelves,
    clock,
    tell,
    maxBytes: options.retention?.maxBytes,
    whenFree: line.whenFree,
  })
  let ownership: Ownership | undefined

  const own = (): void => {
    if (ownership !== undefined) return
    const taken = takeOwnership(dir)
    try {
      if (taken.isAfterCrash) checkDatabase(database)
    } catch (error) {
      taken.release(false)
      throw error
    }
    ownership = taken
    retention.start()
    line.watch()
  }

  const close = async (): Promise<void> => {
    retention.stop()
    await line.close()
    database.close()
    ownership?.release(true)
  }

  const store = openEmbeddedStore({
    file: database.file,
    shelves,
    rows,
    line,
    now: () => clock.now(),
    own,
    // The lock was free although its owner had not given it back. One that did may still wait for a mail server's reply.
    othersAreDead: () => ownership?.isAfterCrash === true,
    close,
    onWritten: retention.written,
  })
  const admission = openAdmission({ topics, partitions, maxRecordBytes })
  const { log, lookSoon } = openLocalLog({ store, admission, partitions, clock, tell, commitFault })
  return log
}
