import Sqlite from 'better-sqlite3'
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Tell } from '../../../schemas/happenings.ts'
import { ConnectorError } from '../../errors.ts'
import { asLogError } from './store-errors.ts'
import { bringUpToDate } from './store-versions.ts'

export interface OpenDatabaseOptions {
  readonly dir: string
  readonly tell: Tell
  /** For tests: sees the writing connection before its first use. */
  readonly unsafeConnection?: ((database: Sqlite.Database) => void) | undefined
}

/** The database file of a log's directory, and its two connections. */
export interface LogDatabase {
  readonly file: string
  readonly writer: Sqlite.Database
  /** Cannot write; its reads stand beside the writer's transactions. */
  readonly reader: Sqlite.Database
  close(): void
}

/** While opening, another process may recover or upgrade. */
const openingWaitMs = 5000
/** A waiting write holds the event loop; it is tried again soon. */
const writeWaitMs = 20
const walMostBytes = 128 * 1024 * 1024

/** Opens the log's database of a directory, both made when missing. Throws ConnectorError. */
export const openDatabase = ({ dir, tell, unsafeConnection }: OpenDatabaseOptions): LogDatabase => {
  const file = join(dir, 'log.db')
  const connections: Sqlite.Database[] = []
  const connect = (options: Sqlite.Options): Sqlite.Database => {
    const connection = new Sqlite(file, { timeout: openingWaitMs, ...options })
    connections.push(connection)
    return connection
  }
  const close = (): void => {
    for (const connection of connections.reverse()) connection.close()
  }
  try {
    createFile(dir, file)
    const writer = connect({})
    writer.pragma('page_size = 8192')
    bringUpToDate(writer, { file, tell })
    setUp(writer, file)
    const reader = connect({ readonly: true })
    writer.pragma(`busy_timeout = ${writeWaitMs}`)
    unsafeConnection?.(writer)
    return { file, writer, reader, close }
  } catch (cause) {
    close()
    throw asLogError(cause, file)
  }
}

const createFile = (dir: string, file: string): void => {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
}

const setUp = (writer: Sqlite.Database, file: string): void => {
  if (writer.pragma('journal_mode = WAL', { simple: true }) !== 'wal')
    throw new ConnectorError(
      'LOG_DENIED',
      `the file system of ${file} cannot share memory between processes: name a directory on a local disk for the log`,
    )
  // The library's build falls back to NORMAL in this mode: a power cut would take acknowledged commits.
  writer.pragma('synchronous = FULL')
  writer.pragma('wal_autocheckpoint = 8000')
  writer.pragma(`journal_size_limit = ${walMostBytes}`)
  writer.pragma('cache_size = -32768')
}

/** Bytes up to which the whole file is checked after a crash: about a second. */
const checkMostBytes = 1024 ** 3

/** Looks through the tables when the file is small enough for that. Throws ConnectorError LOG_DENIED when it is damaged. */
export const checkDatabase = ({ file, writer }: LogDatabase): void => {
  if (statSync(file).size > checkMostBytes) return
  let found: unknown
  try {
    found = writer.pragma('quick_check(1)', { simple: true })
  } catch (cause) {
    throw asLogError(cause, file)
  }
  if (found !== 'ok') throw damaged(file, String(found))
}

const damaged = (file: string, what: string): ConnectorError =>
  new ConnectorError(
    'LOG_DENIED',
    `the log ${file} is damaged (${what}): put a copy from a backup in its place, or move the directory away and start anew`,
  )
