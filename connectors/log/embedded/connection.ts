import type { Database } from 'better-sqlite3'
import { ConnectorError } from '../../errors.ts'

const walMostBytes = 128 * 1024 * 1024

/** Makes a connection's commits durable when they return. Throws ConnectorError LOG_DENIED where the file system cannot. */
export const setUpWriting = (database: Database, file: string): void => {
  if (database.pragma('journal_mode = WAL', { simple: true }) !== 'wal')
    throw new ConnectorError(
      'LOG_DENIED',
      `the file system of ${file} cannot share memory between processes: name a directory on a local disk for the log`,
    )
  // The library's build falls back to NORMAL in this mode: a power cut would take acknowledged commits.
  database.pragma('synchronous = FULL')
  database.pragma('wal_autocheckpoint = 8000')
  database.pragma(`journal_size_limit = ${walMostBytes}`)
  database.pragma('cache_size = -32768')
}
