import type { Database, Statement } from 'better-sqlite3'
import type { Topic } from '../../../schemas/topics.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import type { LogRecord } from '../event-log.ts'
import type { LogDatabase } from './database.ts'
import { openTail } from './tail.ts'

/** The records of one topic's partition: a table of its own, so that each append goes to the end of a tree. */
export interface Shelf {
  readonly topic: Topic
  readonly topicId: number
  readonly partition: number
  readonly table: string
  /** The offset that the next record gets. */
  end(): number
  /** Retention removed everything below. */
  floor(): number
  /** A record of this process now stands in the log. */
  landed(offset: number, timestamp: EpochMs, record: Pick<LogRecord, 'key' | 'value'>): void
  page(from: number, to: number, most: number): readonly LogRecord[]
  offsetAt(time: EpochMs): number
  /** What the table begins and ends with may have changed: another process wrote, or retention removed something. */
  forget(): void
}

/** Bytes of values in one page at most, but for a single larger record. */
const pageBytes = 4 * 1024 * 1024

type Row = readonly [offset: number, time: EpochMs, key: string, value: Uint8Array]

interface Edges {
  floor: number
  end: number
}

/** Opens the tables of each topic, in order: the shelf of slot topic × partitions + partition. New topics get theirs. */
export const openShelves = (
  database: LogDatabase,
  { topics, partitions }: { readonly topics: readonly Topic[]; readonly partitions: number },
): readonly Shelf[] => {
  const ids = database.writer
    .transaction(() => topics.map((topic) => admitTopic(database.writer, topic, partitions)))
    .immediate()
  return topics.flatMap((topic, index) =>
    Array.from({ length: partitions }, (_, partition) => openShelf(database, topic, ids[index] as number, partition)),
  )
}

/** The partition count of a log, fixed when it is made. Throws ConnectorError LOG_DENIED when another is wanted. */
export const fixPartitions = ({ writer, file }: LogDatabase, wanted: number | undefined, usual: number): number =>
  writer
    .transaction(() => {
      writer.prepare('INSERT OR IGNORE INTO setting VALUES (?, ?)').run('partitions', wanted ?? usual)
      const fixed = writer.prepare('SELECT value FROM setting WHERE name = ?').pluck().get('partitions') as number
      if (wanted !== undefined && wanted !== fixed)
        throw new ConnectorError(
          'LOG_DENIED',
          `the log ${file} was made with ${fixed} partitions, not ${wanted}: keys would move between tasks. ` +
            `Configure ${fixed}, or name another directory`,
        )
      return fixed
    })
    .immediate()

const tableOf = (topicId: number, partition: number): string => `record_${topicId}_${partition}`

const admitTopic = (writer: Database, topic: Topic, partitions: number): number => {
  writer.prepare('INSERT OR IGNORE INTO topic (name) VALUES (?)').run(topic.name)
  const id = writer.prepare('SELECT id FROM topic WHERE name = ?').pluck().get(topic.name) as number
  for (let partition = 0; partition < partitions; partition++) {
    const table = tableOf(id, partition)
    writer.exec(`CREATE TABLE IF NOT EXISTS ${table}
      (offset INTEGER PRIMARY KEY, time INTEGER NOT NULL, behind INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL)`)
    if (topic.compacted === true) writer.exec(`CREATE INDEX IF NOT EXISTS ${table}_key ON ${table} (key)`)
  }
  return id
}

const openShelf = ({ reader }: LogDatabase, topic: Topic, topicId: number, partition: number): Shelf => {
  const table = tableOf(topicId, partition)
  const edges = openEdges(reader, table, topicId, partition)
  // Without a limit: SQLite would plan a statement with `LIMIT ?` anew at every call.
  const read = reader
    .prepare<[number, number], Row>(
      `SELECT offset, time, key, value FROM ${table} WHERE offset >= ? AND offset < ? ORDER BY offset`,
    )
    .raw()

  const tail = openTail()
  const page = (from: number, to: number, most: number): readonly LogRecord[] => {
    const remembered = from < edges.get().floor ? undefined : tail.page(from, to, most)
    if (remembered !== undefined) return remembered
    const records: LogRecord[] = []
    let bytes = 0
    for (const [offset, timestamp, key, value] of read.iterate(from, to)) {
      records.push({ topic: topic.name, partition, offset, timestamp, key, value })
      bytes += value.length
      if (bytes >= pageBytes || records.length === most) break
    }
    return records
  }

  return {
    topic,
    topicId,
    partition,
    table,
    end: () => edges.get().end,
    floor: () => edges.get().floor,
    landed: (offset, timestamp, { key, value }) => {
      edges.raise(offset + 1)
      // What a newer record of its key overtakes goes.
      if (topic.compacted !== true) tail.add({ topic: topic.name, partition, offset, timestamp, key, value })
    },
    page,
    offsetAt: openSeek(reader, table, edges.get),
    forget: edges.forget,
  }
}

/** What the table begins and ends with, remembered until it is forgotten. */
const openEdges = (reader: Database, table: string, topicId: number, partition: number) => {
  const last = reader.prepare<[], number>(`SELECT offset FROM ${table} ORDER BY offset DESC LIMIT 1`).pluck()
  const trimmed = reader
    .prepare<[number, number], number>('SELECT floor FROM trimmed WHERE topic = ? AND partition = ?')
    .pluck()
  let edges: Edges | undefined
  const load = (): Edges => {
    const floor = trimmed.get(topicId, partition) ?? 0
    return { floor, end: (last.get() ?? floor - 1) + 1 }
  }
  const get = (): Edges => (edges ??= load())
  return {
    get,
    raise: (end: number): void => {
      if (edges !== undefined) edges.end = Math.max(edges.end, end)
    },
    forget: (): void => void (edges = undefined),
  }
}

/** Seeks by halving: the latest time so far never falls from one record to the next. */
const openSeek = (reader: Database, table: string, edges: () => Edges): ((time: EpochMs) => number) => {
  const from: Statement<[number], { offset: number; latest: number }> = reader.prepare(
    `SELECT offset, time + behind AS latest FROM ${table} WHERE offset >= ? ORDER BY offset LIMIT 1`,
  )
  return (time) => {
    let { floor: low, end: high } = edges()
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const found = from.get(middle)
      if (found === undefined || found.latest >= time) high = middle
      else low = found.offset + 1
    }
    return low
  }
}
