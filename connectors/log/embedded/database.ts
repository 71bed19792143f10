import Sqlite from 'better-sqlite3'
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Tell } from '../../../schemas/happenings.ts'
import { ConnectorError } from '../../errors.ts'
import { setUpWriting } from './connection.ts'
import { asLogError } from './store-errors.ts'
import { bringUpToDate } from './store-versions.ts'

export interface OpenDatabaseOptions {
  readonly dir: string
  readonly tell: Tell
}

/** The database file of a log's directory, and the two connections of this thread; what tasks and appends write goes over another's. */
export interface LogDatabase {
  readonly file: string
  /** For what is small and rare: new topics, new tasks, retention. Reads what tasks committed. */
  readonly writer: Sqlite.Database
  /** Cannot write; its reads stand beside the writer's transactions. */
  readonly reader: Sqlite.Database
  close(): void
}

/** While opening, another process may recover or upgrade. */
const openingWaitMs = 5000
/** A waiting write holds the event loop; it is tried again soon. */
const writeWaitMs = 20

/** Opens the log's database of a directory, both made when missing. Throws ConnectorError. */
export const openDatabase = ({ dir, tell }: OpenDatabaseOptions): LogDatabase => {
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
    setUpWriting(writer, file)
    const reader = connect({ readonly: true })
    writer.pragma(`busy_timeout = ${writeWaitMs}`)
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
