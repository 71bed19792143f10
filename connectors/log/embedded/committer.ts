import type { Database, Statement } from 'better-sqlite3'
import type { EpochMs } from '../../../schemas/time.ts'
import type { WriteResult } from '../local-store.ts'
import type { UnpackedWrite } from './flight.ts'
import { asLogError } from './store-errors.ts'

/** A table of records, and where it stands in the log. */
export interface Table {
  readonly name: string
  readonly topicId: number
  readonly partition: number
}

/** Writes to the log's database on a connection of its own. */
export interface Committer {
  /** Durable when it returns: one transaction, each write all or nothing by itself. Does not throw. */
  write(writes: readonly UnpackedWrite[], time: EpochMs): readonly WriteResult[]
  /** Whether another connection may have changed the file since this was asked last; true at first. */
  hasChanged(): boolean
}

export interface CommitterOptions {
  readonly database: Database
  readonly file: string
  /** The table of each slot. */
  readonly tables: readonly Table[]
  /** The stored number of the topic at each index. */
  readonly topicIds: readonly number[]
}

export const openCommitter = ({ database, file, tables, topicIds }: CommitterOptions): Committer => {
  const begin = database.prepare('BEGIN IMMEDIATE')
  const commit = database.prepare('COMMIT')
  const rollback = database.prepare('ROLLBACK')
  const version = database.prepare<[], number>('PRAGMA data_version').pluck()
  const appenders = tables.map((table) => openAppender(database, table))
  const writeTask = openTaskWriter(database, topicIds)
  let seen: number | undefined
  let isChanged = true

  const forget = (): void => {
    for (const appender of appenders) appender.forget()
  }

  const look = (): void => {
    const present = version.get()
    if (present === seen) return
    seen = present
    isChanged = true
    forget()
  }

  const apply = ({ records, slots, put, task }: UnpackedWrite, time: EpochMs): readonly number[] => {
    if (task !== undefined) writeTask(task, put)
    const offsets: number[] = []
    for (let index = 0; index < records.length; index++) {
      const { key, value } = records[index] as UnpackedWrite['records'][number]
      offsets.push((appenders[slots[index] as number] as Appender).add(time, key, value))
    }
    return offsets
  }

  /** All of the writes or none. */
  const together = (writes: readonly UnpackedWrite[], time: EpochMs): readonly WriteResult[] => {
    begin.run()
    try {
      look()
      const results = writes.map((write) => apply(write, time))
      commit.run()
      return results
    } catch (cause) {
      // The database itself undoes the transaction when its disk is full.
      if (database.inTransaction) rollback.run()
      forget()
      throw cause
    }
  }

  const attempt = (writes: readonly UnpackedWrite[], time: EpochMs): readonly WriteResult[] => {
    try {
      return together(writes, time)
    } catch (cause) {
      const error = asLogError(cause, file)
      if (error.code !== 'LOG_REFUSED' || writes.length === 1) return writes.map(() => error)
      // One of them is impossible: the others must not suffer for it.
      return writes.flatMap((write) => attempt([write], time))
    }
  }
  return {
    write: attempt,
    hasChanged() {
      look()
      const answer = isChanged
      isChanged = false
      return answer
    },
  }
}

interface Appender {
  /** Inside a transaction. Answers with the record's offset. */
  add(time: EpochMs, key: string, value: Uint8Array): number
  forget(): void
}

const openAppender = (database: Database, { name, topicId, partition }: Table): Appender => {
  const insert: Statement<[number, number, number, string, Uint8Array]> = database.prepare(
    `INSERT INTO ${name} VALUES (?, ?, ?, ?, ?)`,
  )
  const last: Statement<[], { offset: number; latest: number }> = database.prepare(
    `SELECT offset, time + behind AS latest FROM ${name} ORDER BY offset DESC LIMIT 1`,
  )
  const trimmed: Statement<[number, number], { floor: number; time: number }> = database.prepare(
    'SELECT floor, time FROM trimmed WHERE topic = ? AND partition = ?',
  )
  let edge: { end: number; latest: EpochMs } | undefined
  const load = (): NonNullable<typeof edge> => {
    const { floor, time } = trimmed.get(topicId, partition) ?? { floor: 0, time: 0 }
    const { offset, latest } = last.get() ?? { offset: floor - 1, latest: time }
    return { end: offset + 1, latest }
  }
  return {
    add(time, key, value) {
      edge ??= load()
      edge.latest = Math.max(edge.latest, time)
      insert.run(edge.end, time, edge.latest - time, key, value)
      return edge.end++
    },
    forget: () => void (edge = undefined),
  }
}

/** Writes what a task puts and how far it has read, inside a transaction. */
const openTaskWriter = (database: Database, topicIds: readonly number[]) => {
  const move: Statement<[number, number, number]> = database.prepare(
    'INSERT INTO position VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next',
  )
  const put: Statement<[number, string, Uint8Array]> = database.prepare(
    'INSERT INTO state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  )
  const remove: Statement<[number, string]> = database.prepare('DELETE FROM state WHERE task = ? AND key = ?')
  return ({ id, positions }: NonNullable<UnpackedWrite['task']>, changes: UnpackedWrite['put']): void => {
    for (const [key, value] of changes)
      if (value === null) remove.run(id, key)
      else put.run(id, key, value)
    for (const [topic, offset] of positions) move.run(id, topicIds[topic] as number, offset)
  }
}
