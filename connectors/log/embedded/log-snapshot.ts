import Sqlite from 'better-sqlite3'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ConnectorError } from '../../errors.ts'
import type { StateKey, TaskState } from '../event-log.ts'
import { asLogError } from './store-errors.ts'

/** What a log says of itself at one moment: where its partitions begin and end, and what the tasks have committed. */
export interface LogSnapshot {
  readonly partitions: number
  /** `floor`: retention removed everything below. `end`: the offset that the next record gets. Both 0 for an unknown topic. */
  edges(topic: string, partition: number): { readonly floor: number; readonly end: number }
  /** The offset that a topology's task reads next of an input; undefined: it never committed one. */
  position(topology: string, partition: number, topic: string): number | undefined
  /** A task's committed state; empty for an unknown one. */
  state(topology: string, partition: number): TaskState
  close(): void
}

const rangePage = 256

/**
 * Opens the directory's log for looking, beside whoever owns its tasks; nothing is changed and nobody is held up. Throws
 * ConnectorError LOG_DENIED where no log is.
 */
export const openLogSnapshot = (dir: string): LogSnapshot => {
  const file = join(dir, 'log.db')
  if (!existsSync(file))
    throw new ConnectorError(
      'LOG_DENIED',
      `there is no log in ${dir}: it is made by the first relay run with this configuration`,
    )
  try {
    const database = new Sqlite(file, { readonly: true, timeout: 5000 })
    database.exec('BEGIN')
    return snapshotOf(database)
  } catch (cause) {
    throw asLogError(cause, file)
  }
}

type Entry = readonly [StateKey, Uint8Array]

const snapshotOf = (database: Sqlite.Database): LogSnapshot => {
  // The first read fixes what the transaction sees.
  const partitions = database.prepare("SELECT value FROM setting WHERE name = 'partitions'").pluck().get() as number
  const topics = new Map(database.prepare<[], [string, number]>('SELECT name, id FROM topic').raw().all())
  const floor = database
    .prepare<[number, number], number>('SELECT floor FROM trimmed WHERE topic = ? AND partition = ?')
    .pluck()
  const task = database
    .prepare<[string, number], number>('SELECT id FROM task WHERE topology = ? AND partition = ?')
    .pluck()
  const next = database
    .prepare<[number, number], number>('SELECT next FROM position WHERE task = ? AND topic = ?')
    .pluck()
  const get = database
    .prepare<[number, string], Uint8Array>('SELECT value FROM state WHERE task = ? AND key = ?')
    .pluck()
  const page = (comparison: '>=' | '>') =>
    database
      .prepare<[number, string, string, number], Entry>(
        `SELECT key, value FROM state WHERE task = ? AND key ${comparison} ? AND key < ? ORDER BY key LIMIT ?`,
      )
      .raw()
  const [firstPage, nextPage] = [page('>='), page('>')]

  function* range(id: number, from: StateKey, to: StateKey): Iterable<Entry> {
    let entries = firstPage.all(id, from, to, rangePage)
    while (entries.length > 0) {
      yield* entries
      entries = entries.length < rangePage ? [] : nextPage.all(id, (entries.at(-1) as Entry)[0], to, rangePage)
    }
  }

  return {
    partitions,
    edges(topic, partition) {
      const id = topics.get(topic)
      if (id === undefined) return { floor: 0, end: 0 }
      const last =
        database.prepare<[], number | null>(`SELECT max(offset) FROM record_${id}_${partition}`).pluck().get() ?? null
      const lowest = floor.get(id, partition) ?? 0
      return { floor: lowest, end: last === null ? lowest : last + 1 }
    },
    position(topology, partition, topic) {
      const [id, topicId] = [task.get(topology, partition), topics.get(topic)]
      return id === undefined || topicId === undefined ? undefined : next.get(id, topicId)
    },
    state(topology, partition) {
      const id = task.get(topology, partition)
      if (id === undefined) return { get: () => undefined, range: () => [] }
      return { get: (key) => get.get(id, key), range: (from, to) => range(id, from, to) }
    },
    close: () => database.close(),
  }
}
