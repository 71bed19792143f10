import type { Database } from 'better-sqlite3'
import type { Tell } from '../../../schemas/happenings.ts'
import { ConnectorError } from '../../errors.ts'

/** Leads a store from one version to the next, inside a transaction. */
export type Upgrade = (database: Database) => void

const createTables: Upgrade = (database) => {
  database.pragma(`application_id = ${applicationId}`)
  // `behind`: how much less the record's time is than the latest before it in its partition, so that time + behind never
  // falls and can be sought by halving, though the clock was set back.
  database.exec(`
    CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE trimmed (topic INTEGER NOT NULL, partition INTEGER NOT NULL, floor INTEGER NOT NULL, time INTEGER NOT NULL,
      PRIMARY KEY (topic, partition)) WITHOUT ROWID;
    CREATE TABLE task (id INTEGER PRIMARY KEY, topology TEXT NOT NULL, partition INTEGER NOT NULL, UNIQUE (topology, partition));
    CREATE TABLE position (task INTEGER NOT NULL, topic INTEGER NOT NULL, next INTEGER NOT NULL,
      PRIMARY KEY (task, topic)) WITHOUT ROWID;
    CREATE TABLE state (task INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (task, key)) WITHOUT ROWID;
  `)
}

/** Place n leads from version n to n + 1; version 0 is an empty file. */
const upgrades: readonly Upgrade[] = [createTables]

/** "RRly": marks the file as a log of this program. */
const applicationId = 0x52526c79

export interface BringUpToDateOptions {
  readonly file: string
  readonly tell: Tell
  readonly steps?: readonly Upgrade[]
}

/** Brings a store to the present version in one transaction. Throws ConnectorError LOG_DENIED for a newer or a foreign file. */
export const bringUpToDate = (database: Database, { file, tell, steps = upgrades }: BringUpToDateOptions): void => {
  let from = 0
  database
    .transaction(() => {
      from = database.pragma('user_version', { simple: true }) as number
      if (from > steps.length)
        throw new ConnectorError(
          'LOG_DENIED',
          `the log ${file} has version ${from}, this program knows versions up to ${steps.length}: run the newer program that wrote it`,
        )
      if (isForeign(database))
        throw new ConnectorError(
          'LOG_DENIED',
          `${file} is a database of another program: name another directory for the log`,
        )
      if (from === steps.length) return
      for (const step of steps.slice(from)) step(database)
      database.pragma(`user_version = ${steps.length}`)
    })
    .immediate()
  if (from > 0 && from < steps.length) tell({ name: 'store upgraded', from, to: steps.length })
}

const isForeign = (database: Database): boolean =>
  database.pragma('application_id', { simple: true }) !== applicationId &&
  database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() !== 0
