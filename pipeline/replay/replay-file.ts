import Sqlite from 'better-sqlite3'
import { closeSync, openSync, rmSync } from 'node:fs'
import { decode, encode } from '../../schemas/codec.ts'
import type { Mark, Suppression } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** Gained: told only by the rules of the replay. Lost: only on record. Kept: both. */
export type PairKind = 'gained' | 'lost' | 'kept'

/** A recipient that an event is told to, or was, by one monitor. */
export interface Pair {
  readonly partition: number
  readonly offset: number
  readonly kind: PairKind
  /** The event's id, and what it is about. */
  readonly event: string
  readonly client: string
  readonly flow: string
  readonly monitor: string
  /** Bare address; empty: its notice is no longer kept. */
  readonly recipient: string
  /** Display name; empty: none. */
  readonly name: string
  /** Epoch ms at which the event came to the log. */
  readonly at: EpochMs
  /** Message-ID of the letter on record; empty: none yet. */
  readonly told_in: string
  /** Ids of the replays that told it, with spaces between; empty: it was told as it came, or not. */
  readonly replays: string
  /** A notice that a replay put on record and could not write: it is written again under this id. */
  readonly unwritten: string
  /** Of what is lost: the notice on record, else empty. */
  readonly notice: string
}

/** What is on record of one notice. */
export interface Recorded {
  readonly offset: number
  readonly notice: string
  readonly monitor: string
  readonly recipient: string
  readonly replay: string
  readonly told_in: string
}

/** Which events of a partition have verdicts on record: by their offsets. */
export interface JudgedEdges {
  readonly first: number
  readonly last: number
  /** The last one inside of the range; -1: none is. */
  readonly lastInRange: number
}

/** Pairs of a kind by one monitor. */
export interface PairCount {
  readonly monitor: string
  readonly kind: PairKind
  readonly count: number
}

export interface Counts {
  /** Events of the range that were judged. */
  events: number
  /** Events before it, judged for what monitors remember. */
  before: number
  /** Records that are no events. */
  foreign: number
  /** Events of the range that the service has not judged yet, or whose outcome is no longer kept. */
  unrecorded: number
  /** Alerts that the rules of the replay make of events of the range: of whom these are told nothing is found here. */
  made: number
  /** Alerts that were made of them on record. */
  wereMade: number
  /** Pairs that are kept, by monitor. */
  readonly kept: Record<string, number>
}

/** What a replay has found so far, in one SQLite file, so that it is bounded in memory and can go on where it was interrupted. */
export interface ReplayFile {
  setting(name: string): string | undefined
  set(name: string, value: string): void
  /** Runs in one commit. */
  commit(work: () => void): void
  /** Where a stage goes on in a partition; undefined: at its beginning. */
  next(stage: string, partition: number): number | undefined
  move(stage: string, partition: number, next: number): void
  putVerdict(partition: number, offset: number, notice: string, monitor: string, replay: string): void
  putDelivery(partition: number, recorded: Recorded): void
  /** Some notice that a replay put on record has no recipient: whether it was ever written is not known. */
  hasPromised(): boolean
  putRecipient(notice: string, recipient: string): void
  /** Somebody is lost whose address is not known. */
  hasNamelessLost(): boolean
  nameLost(notice: string, recipient: string): void
  edges(partition: number): JudgedEdges | undefined
  putEdges(partition: number, edges: JudgedEdges): void
  /** Notices on record from an offset on, in order. */
  recorded(partition: number, from: number, most: number): readonly Recorded[]
  mark(partition: number, key: string): Mark | undefined
  putMark(partition: number, key: string, mark: Mark): void
  suppression(partition: number, key: string): Suppression | undefined
  putSuppression(partition: number, key: string, suppression: Suppression): void
  /** Neither a mark nor a suppression. */
  hasNoMark(partition: number): boolean
  addPair(pair: Pair): void
  /** Pairs in the order of their letters: monitor, recipient, time. Streamed; nothing may be written meanwhile. */
  pairs(kinds: readonly PairKind[]): IterableIterator<Pair>
  /** The pairs of so many events after a place, in the order of the log. */
  pairsByEvent(kinds: readonly PairKind[], after: { partition: number; offset: number }, most: number): readonly Pair[]
  pairCounts(): readonly PairCount[]
  close(): void
}

const tables = `
  CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS place (stage TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (stage, partition))
    WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS recorded (partition INTEGER NOT NULL, offset INTEGER NOT NULL, notice TEXT NOT NULL, monitor TEXT NOT NULL,
    recipient TEXT NOT NULL, replay TEXT NOT NULL, told_in TEXT NOT NULL, PRIMARY KEY (partition, offset, notice)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS edge (partition INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, lastInRange INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS mark (partition INTEGER NOT NULL, key TEXT NOT NULL, event TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (partition, key)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS suppression (partition INTEGER NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (partition, key))
    WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS pair (partition INTEGER NOT NULL, offset INTEGER NOT NULL, kind TEXT NOT NULL, event TEXT NOT NULL,
    client TEXT NOT NULL, flow TEXT NOT NULL, monitor TEXT NOT NULL, recipient TEXT NOT NULL, name TEXT NOT NULL, at INTEGER NOT NULL, told_in TEXT NOT NULL,
    replays TEXT NOT NULL, unwritten TEXT NOT NULL, notice TEXT NOT NULL);
`
/** Made when they are needed: most replays end without. */
const indexes = {
  recorded_lacking: `recorded (notice) WHERE recipient = ''`,
  pair_nameless: `pair (notice) WHERE recipient = ''`,
  pair_event: 'pair (partition, offset)',
} as const

const cacheKiB = 65_536
/** The same pages are written again and again: they are brought over seldom. */
const checkpointPages = 8000

/** Where a replay's file lies that is kept in memory. */
export const inMemory = ':memory:'

/** Opens a replay's file, or makes it, for this user alone; one in memory ends with its closing. */
export const openReplayFile = (file: string): ReplayFile => {
  if (file !== inMemory) closeSync(openSync(file, 'a', 0o600))
  const database = new Sqlite(file)
  database.pragma('journal_mode = WAL')
  // A power cut may take the last commits, each with its place: they are found again.
  database.pragma('synchronous = OFF')
  database.pragma(`cache_size = -${cacheKiB}`)
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  database.exec(tables)
  return assemble(database)
}

/** A setting of a file that may be a replay's, which is not changed; undefined: it is none, or has no such setting. */
export const settingIn = (file: string, name: string): string | undefined => {
  try {
    const database = new Sqlite(file, { readonly: true, fileMustExist: true })
    try {
      return database.prepare<[string], string>('SELECT value FROM setting WHERE name = ?').pluck().get(name)
    } finally {
      database.close()
    }
  } catch (cause) {
    if (cause instanceof Sqlite.SqliteError) return undefined
    throw cause
  }
}

/** Removes a replay's file: it is done, or begun anew. */
export const removeReplayFile = (file: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
}

const listOf = (kinds: readonly PairKind[]): string => kinds.map((kind) => `'${kind}'`).join()

const assemble = (database: Sqlite.Database): ReplayFile => {
  const getSetting = database.prepare<[string], string>('SELECT value FROM setting WHERE name = ?').pluck()
  const putSetting = database.prepare<[string, string]>('INSERT OR REPLACE INTO setting VALUES (?, ?)')
  const getPlace = database
    .prepare<[string, number], number>('SELECT next FROM place WHERE stage = ? AND partition = ?')
    .pluck()
  const putPlace = database.prepare<[string, number, number]>('INSERT OR REPLACE INTO place VALUES (?, ?, ?)')
  const putVerdict = database.prepare<[number, number, string, string, string]>(
    `INSERT INTO recorded VALUES (?, ?, ?, ?, '', ?, '') ON CONFLICT DO UPDATE SET replay = excluded.replay`,
  )
  const putDelivery = database.prepare<[number, number, string, string, string, string, string]>(
    `INSERT INTO recorded VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET recipient = excluded.recipient, told_in = excluded.told_in`,
  )
  const promised = database
    .prepare<[], number>(`SELECT 1 FROM recorded WHERE recipient = '' AND replay <> '' LIMIT 1`)
    .pluck()
  const putRecipient = database.prepare<[string, string]>(
    `UPDATE recorded SET recipient = ? WHERE notice = ? AND recipient = ''`,
  )
  const nameless = database
    .prepare<[], number>(`SELECT 1 FROM pair WHERE kind = 'lost' AND recipient = '' LIMIT 1`)
    .pluck()
  const nameLost = database.prepare<[string, string]>(
    `UPDATE pair SET recipient = ? WHERE notice = ? AND recipient = ''`,
  )
  const index = (name: keyof typeof indexes): void => {
    database.exec(`CREATE INDEX IF NOT EXISTS ${name} ON ${indexes[name]}`)
  }
  const getEdges = database.prepare<[number], JudgedEdges>(
    'SELECT first, last, lastInRange FROM edge WHERE partition = ?',
  )
  const putEdges = database.prepare<[number, number, number, number]>('INSERT OR REPLACE INTO edge VALUES (?, ?, ?, ?)')
  const recorded = database.prepare<[number, number, number], Recorded>(
    'SELECT offset, notice, monitor, recipient, replay, told_in FROM recorded WHERE partition = ? AND offset >= ? ORDER BY offset, notice LIMIT ?',
  )
  const getMark = database.prepare<[number, string], Mark>('SELECT event, at FROM mark WHERE partition = ? AND key = ?')
  const putMark = database.prepare<[number, string, string, number]>('INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)')
  const anyMark = database
    .prepare<[number, number], number>(
      'SELECT 1 FROM mark WHERE partition = ? UNION ALL SELECT 1 FROM suppression WHERE partition = ? LIMIT 1',
    )
    .pluck()
  const getSuppression = database
    .prepare<[number, string], Uint8Array>('SELECT value FROM suppression WHERE partition = ? AND key = ?')
    .pluck()
  const putSuppression = database.prepare<[number, string, Uint8Array]>(
    'INSERT OR REPLACE INTO suppression VALUES (?, ?, ?)',
  )
  // By place: by name costs twice as much.
  const addPair = database.prepare<(string | number)[]>(
    `INSERT INTO pair (partition, offset, kind, event, client, flow, monitor, recipient, name, at, told_in, replays, unwritten, notice)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  return {
    setting: (name) => getSetting.get(name),
    set: (name, value) => void putSetting.run(name, value),
    commit: (work) => database.transaction(work)(),
    next: (stage, partition) => getPlace.get(stage, partition),
    move: (stage, partition, next) => void putPlace.run(stage, partition, next),
    putVerdict: (partition, offset, notice, monitor, replay) =>
      void putVerdict.run(partition, offset, notice, monitor, replay),
    putDelivery: (partition, { offset, notice, monitor, recipient, replay, told_in }) =>
      void putDelivery.run(partition, offset, notice, monitor, recipient, replay, told_in),
    hasPromised() {
      if (promised.get() === undefined) return false
      index('recorded_lacking')
      return true
    },
    putRecipient: (notice, recipient) => void putRecipient.run(recipient, notice),
    hasNamelessLost() {
      if (nameless.get() === undefined) return false
      index('pair_nameless')
      return true
    },
    nameLost: (notice, recipient) => void nameLost.run(recipient, notice),
    edges: (partition) => getEdges.get(partition),
    putEdges: (partition, { first, last, lastInRange }) => void putEdges.run(partition, first, last, lastInRange),
    recorded: (partition, from, most) => recorded.all(partition, from, most),
    mark: (partition, key) => getMark.get(partition, key),
    putMark: (partition, key, { event, at }) => void putMark.run(partition, key, event, at),
    suppression(partition, key) {
      const bytes = getSuppression.get(partition, key)
      return bytes === undefined ? undefined : decode('Suppression', bytes)
    },
    putSuppression: (partition, key, value) => void putSuppression.run(partition, key, encode('Suppression', value)),
    hasNoMark: (partition) => anyMark.get(partition, partition) === undefined,
    addPair({ partition, offset, kind, event, client, flow, monitor, recipient, name, at, ...rest }) {
      const { told_in, replays, unwritten, notice } = rest
      addPair.run(
        partition,
        offset,
        kind,
        event,
        client,
        flow,
        monitor,
        recipient,
        name,
        at,
        told_in,
        replays,
        unwritten,
        notice,
      )
    },
    pairs: (kinds) =>
      database
        .prepare<[], Pair>(
          `SELECT * FROM pair WHERE kind IN (${listOf(kinds)}) ORDER BY monitor, lower(recipient), at, partition, offset`,
        )
        .iterate(),
    pairsByEvent(kinds, { partition, offset }, most) {
      index('pair_event')
      return database
        .prepare<[number, number, number], Pair>(
          `SELECT pair.* FROM pair JOIN (SELECT DISTINCT partition AS p, offset AS o FROM pair WHERE kind IN (${listOf(kinds)})
            AND (partition, offset) > (?, ?) ORDER BY partition, offset LIMIT ?) ON partition = p AND offset = o
            WHERE kind IN (${listOf(kinds)}) ORDER BY partition, offset, monitor, recipient`,
        )
        .all(partition, offset, most)
    },
    pairCounts: () =>
      database
        .prepare<[], PairCount>(
          'SELECT monitor, kind, count(*) AS count FROM pair GROUP BY monitor, kind ORDER BY monitor, kind',
        )
        .all(),
    close: () => database.close(),
  }
}
