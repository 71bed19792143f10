import Sqlite from 'better-sqlite3'
import { join } from 'node:path'
import type { LogRecord } from '../../connectors/log/event-log.ts'

/** A record as a bare loop writes it. */
export type BareRecord = Pick<LogRecord, 'topic' | 'partition' | 'key' | 'value' | 'timestamp'>

/** Appends by nothing but prepared statements on the embedded log's own tables. */
export interface BareLog {
  /** One transaction, on disk when it returns. */
  commit(records: readonly BareRecord[], put?: readonly (readonly [key: string, value: Uint8Array])[]): void
  close(): void
}

/** Opens a file in `dir` with the embedded log's page size, journal and durability. */
export const openBareLog = (dir: string): BareLog => {
  const database = new Sqlite(join(dir, 'bare.db'))
  database.pragma('page_size = 8192')
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.pragma('wal_autocheckpoint = 8000')
  database.pragma('cache_size = -32768')
  database.exec(
    'CREATE TABLE state (task INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (task, key)) WITHOUT ROWID',
  )
  const upsert = database.prepare('INSERT INTO state VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
  const begin = database.prepare('BEGIN IMMEDIATE')
  const end = database.prepare('COMMIT')
  const shelves = new Map<string, { insert: Sqlite.Statement; end: number }>()
  const shelfOf = (topic: string, partition: number) => {
    const name = `${topic} ${partition}`
    const known = shelves.get(name)
    if (known !== undefined) return known
    const table = `record_${shelves.size}`
    database.exec(
      `CREATE TABLE ${table} (offset INTEGER PRIMARY KEY, time INTEGER NOT NULL, behind INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL)`,
    )
    const shelf = { insert: database.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?)`), end: 0 }
    shelves.set(name, shelf)
    return shelf
  }
  return {
    commit(records, put = []) {
      begin.run()
      for (const { topic, partition, key, value, timestamp } of records) {
        const shelf = shelfOf(topic, partition)
        shelf.insert.run(shelf.end++, timestamp, 0, key, value)
      }
      for (const [key, value] of put) upsert.run(1, key, value)
      end.run()
    },
    close: () => void database.close(),
  }
}
