import Sqlite from 'better-sqlite3'
import { closeSync, mkdirSync, existsSync, openSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { EpochMs } from '../../schemas/time.ts'
import { blockOf, blockSize, offsetOfPlace, partitionOfPlace, type Place, placeOf } from './place.ts'

/** A partition of a topic of events, by the number that the index gives it. */
export interface Lane {
  readonly id: number
  readonly topic: string
  readonly partition: number
}

/** From which offset on a lane's events are looked at. */
export interface LaneRange {
  readonly lane: Lane
  readonly from: number
}

/** A notice of which more was decided than delivered (above 0: not delivered yet), or more delivered than decided (below 0). */
export interface Owed {
  readonly notice: string
  readonly balance: number
  readonly monitor: string
  readonly event: Place
  /** Where the outcome stands that spoke of it first. */
  readonly at: Place
}

export interface Applied {
  /** The offset of the outcomes that is applied next. */
  readonly next: number
  /** Append time of the last one applied; 0: none. */
  readonly time: EpochMs
}

export interface Counted {
  readonly signature: string
  readonly count: number
}

/**
 * What was written down of outcomes so that they are found and counted without reading them. Places of events hold a lane's id as
 * their partition, places of outcomes the partition itself. A cache of the log: whoever loses it builds it anew.
 */
export interface OutcomeIndex {
  readonly database: Sqlite.Database
  applied(partition: number): Applied
  lanes(): readonly Lane[]
  /** Outcomes found by a word (a hash of it: who reads them compares), of one partition, the newest first. */
  find(hash: number, partition: number, most: number): readonly Place[]
  /** Outcomes that hold a verdict of the monitor, of each lane the newest first, `most` a lane. */
  ofMonitor(monitor: string, most: number): readonly Place[]
  /** How many offsets of a lane have verdicts, from an offset on, with the lowest and the highest; null: none. */
  coverage(range: LaneRange): { readonly count: number; readonly first: number; readonly last: number } | null
  /** The offsets of a lane that have verdicts, in order. */
  judged(range: LaneRange): IterableIterator<number>
  /** The offsets of a lane from an offset up to `end` that have no verdicts, in order. */
  unjudged(range: LaneRange, end: number): IterableIterator<number>
  /** Verdicts of a lane's events, by signature. */
  verdictCounts(range: LaneRange): readonly Counted[]
  /** What replays told of a lane's events, by signature. */
  replayCounts(range: LaneRange): readonly Counted[]
  /** Deliveries of what was told of a lane's events, by signature. */
  deliveryCounts(range: LaneRange): readonly Counted[]
  /** Events of a lane whose verdicts have this signature. */
  judgedAs(signature: string, range: LaneRange, most: number): readonly { readonly event: Place; readonly at: Place }[]
  /** The outcome that holds an event's verdicts. */
  verdictsOf(event: Place): Place | undefined
  /** Outcomes that gave an event its verdicts a second time. */
  again(): readonly { readonly event: Place; readonly at: Place }[]
  owed(): readonly Owed[]
  /** Rejected records that were no events yet, or no longer, by topic; an empty one: they came from the source. */
  aside(): readonly { readonly topic: string; readonly count: number }[]
  /** Offsets of the outcomes that it holds of a partition, in order. */
  outcomes(partition: number): IterableIterator<number>
  close(): void
}

/** Raised with every change of the tables or of what is put into them: another version's index is built anew. */
const version = 4
/** "RRix". */
const applicationId = 0x52526978

const tables = `
  CREATE TABLE applied (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL, time INTEGER NOT NULL);
  CREATE TABLE lane (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, UNIQUE (topic, partition));
  CREATE TABLE signature (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
  CREATE TABLE judged (event INTEGER PRIMARY KEY, at INTEGER NOT NULL, signature INTEGER NOT NULL);
  CREATE TABLE again (event INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (event, at)) WITHOUT ROWID;
  CREATE TABLE replayed (event INTEGER NOT NULL, at INTEGER NOT NULL, signature INTEGER NOT NULL,
    PRIMARY KEY (event, at)) WITHOUT ROWID;
  CREATE TABLE judged_sum (block INTEGER NOT NULL, signature INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (block, signature)) WITHOUT ROWID;
  CREATE TABLE delivery (event INTEGER NOT NULL, at INTEGER NOT NULL, n INTEGER NOT NULL, signature INTEGER NOT NULL,
    PRIMARY KEY (event, at, n)) WITHOUT ROWID;
  CREATE TABLE delivery_sum (block INTEGER NOT NULL, signature INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (block, signature)) WITHOUT ROWID;
  CREATE TABLE owed (notice TEXT PRIMARY KEY, balance INTEGER NOT NULL, monitor TEXT NOT NULL, event INTEGER NOT NULL,
    at INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE aside (at INTEGER PRIMARY KEY, topic TEXT NOT NULL);
  CREATE TABLE segment (id INTEGER PRIMARY KEY, words INTEGER NOT NULL);
  CREATE TABLE segment_end (segment INTEGER NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL,
    PRIMARY KEY (segment, partition)) WITHOUT ROWID;
  INSERT INTO segment VALUES (1, 0);
  CREATE TABLE word_1 (hash INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (hash, at)) WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`

const isPresent = (database: Sqlite.Database): boolean =>
  database.pragma('user_version', { simple: true }) === version &&
  database.pragma('application_id', { simple: true }) === applicationId

/** Where the index of a log's directory lies. */
export const indexFileIn = (dir: string): string => join(dir, 'outcomes.index.db')

/** Where an index lies that is kept in memory. */
export const inMemory = ':memory:'

const cacheKiB = 65_536
/** The same pages are written again and again: they are brought over seldom. */
const checkpointPages = 16_000

const connect = (file: string): Sqlite.Database => {
  if (file !== inMemory) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    closeSync(openSync(file, 'a', 0o600))
  }
  const database = new Sqlite(file, { timeout: 5000 })
  database.pragma('journal_mode = WAL')
  // After a power cut the last commits may be missing, positions and rows alike: the log has them.
  database.pragma('synchronous = NORMAL')
  database.pragma(`cache_size = -${cacheKiB}`)
  database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
  return database
}

/** Removes an index: the next one is built anew from the log. */
export const removeIndex = (file: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true })
}

/** Opens the index for writing; a missing, damaged or other version's one is made anew, empty. The file gets mode 0600. */
export const openIndex = (file: string): OutcomeIndex => {
  const open = (): Sqlite.Database | null => {
    let database: Sqlite.Database | undefined
    try {
      database = connect(file)
      const isEmpty = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0
      if (isEmpty) database.transaction((made: Sqlite.Database) => made.exec(tables))(database)
      if (isPresent(database)) return database
    } catch (cause) {
      if (!(cause instanceof Sqlite.SqliteError) || !/^SQLITE_(CORRUPT|NOTADB)/.test(cause.code)) throw cause
    }
    database?.close()
    return null
  }
  const first = open()
  if (first !== null) return indexOf(first)
  removeIndex(file)
  return indexOf(open() as Sqlite.Database)
}

/** Opens an index that somebody else writes, for reading; null: there is none of this version. */
export const openIndexForReading = (file: string): OutcomeIndex | null => {
  if (!existsSync(file)) return null
  let database: Sqlite.Database | undefined
  try {
    database = new Sqlite(file, { readonly: true, timeout: 5000 })
    database.pragma(`cache_size = -${cacheKiB}`)
    // What is read is of one moment, though its writer goes on.
    database.exec('BEGIN')
    if (isPresent(database)) return indexOf(database)
  } catch (cause) {
    if (!(cause instanceof Sqlite.SqliteError)) throw cause
  }
  database?.close()
  return null
}

const firstOf = (partition: number): Place => placeOf(partition, 0)
const endOf = (partition: number): Place => placeOf(partition + 1, 0)

const indexOf = (database: Sqlite.Database): OutcomeIndex => {
  const query = <A extends unknown[], R>(sql: string) => database.prepare<A, R>(sql)
  const position = query<[number], Applied>('SELECT next, time FROM applied WHERE partition = ?')
  const bounds = ({ lane, from }: LaneRange): [Place, Place] => [placeOf(lane.id, from), endOf(lane.id)]
  const segments = query<[], number>('SELECT id FROM segment ORDER BY id DESC').pluck()
  const signatures = query<[], { id: number; text: string }>('SELECT id, text FROM signature')
  const first = query<[Place, Place], Place>(
    'SELECT event FROM judged WHERE event >= ? AND event < ? ORDER BY event LIMIT 1',
  ).pluck()
  const last = query<[Place, Place], Place>(
    'SELECT event FROM judged WHERE event >= ? AND event < ? ORDER BY event DESC LIMIT 1',
  ).pluck()
  const offsets = query<[Place, Place], Place>(
    'SELECT event FROM judged WHERE event >= ? AND event < ? ORDER BY event',
  ).pluck()
  const sums = query<[number, number], { block: number; count: number }>(
    'SELECT block, sum(count) AS count FROM judged_sum WHERE block >= ? AND block < ? GROUP BY block',
  )
  /** By whole blocks as far as they lie in the range, and by rows in the one that it begins in. */
  const counts = (table: 'judged' | 'delivery') =>
    query<[number, number, Place, Place], Counted>(
      `SELECT text AS signature, sum(n) AS count FROM (
        SELECT signature AS s, sum(count) AS n FROM ${table}_sum WHERE block >= ? AND block < ? GROUP BY signature
        UNION ALL SELECT signature AS s, count(*) AS n FROM ${table} WHERE event >= ? AND event < ? GROUP BY signature)
        JOIN signature ON id = s GROUP BY s`,
    )
  const [verdictsBy, deliveriesBy] = [counts('judged'), counts('delivery')]
  const countBounds = (range: LaneRange): [number, number, Place, Place] => {
    const [from, to] = bounds(range)
    const firstBlock = Math.ceil(from / blockSize)
    return [firstBlock, blockOf(to), from, firstBlock * blockSize]
  }
  const replayedBy = query<[Place, Place], Counted>(
    `SELECT text AS signature, n AS count FROM (
      SELECT signature AS s, count(*) AS n FROM replayed WHERE event >= ? AND event < ? GROUP BY signature) JOIN signature ON id = s`,
  )
  const alike = query<[string, Place, Place, number], { event: Place; at: Place }>(
    `SELECT event, at FROM judged WHERE signature = (SELECT id FROM signature WHERE text = ?) AND event >= ? AND event < ? LIMIT ?`,
  )
  const verdicts = query<[Place], Place>('SELECT at FROM judged WHERE event = ?').pluck()
  const lanes = query<[], Lane>('SELECT id, topic, partition FROM lane')
  const ats = query<[Place, Place, Place, Place, Place, Place, Place, Place, Place, Place], Place>(
    `SELECT at FROM judged WHERE at >= ? AND at < ? UNION SELECT at FROM again WHERE at >= ? AND at < ?
      UNION SELECT at FROM replayed WHERE at >= ? AND at < ?
      UNION SELECT at FROM delivery WHERE at >= ? AND at < ? UNION SELECT at FROM aside WHERE at >= ? AND at < ? ORDER BY at`,
  ).pluck()

  function* offsetsOf(places: IterableIterator<Place>): IterableIterator<number> {
    for (const place of places) yield offsetOfPlace(place)
  }

  return {
    database,
    applied: (partition) => position.get(partition) ?? { next: 0, time: 0 },
    lanes: () => lanes.all(),
    find(hash, partition, most) {
      const found: Place[] = []
      for (const id of segments.all()) {
        const places = query<[number, Place, Place, number], Place>(
          `SELECT at FROM word_${id} WHERE hash = ? AND at >= ? AND at < ? ORDER BY at DESC LIMIT ?`,
        ).pluck()
        found.push(...places.all(hash, firstOf(partition), endOf(partition), most - found.length))
        if (found.length >= most) break
      }
      return found
    },
    ofMonitor(monitor, most) {
      const ids = signatures
        .all()
        .filter(({ text }) => text.includes(JSON.stringify(monitor)))
        .map(({ id }) => id)
      if (ids.length === 0) return []
      const newest = query<[Place, Place, number], Place>(
        `SELECT at FROM judged WHERE event >= ? AND event < ? AND signature IN (${ids.join()}) ORDER BY event DESC LIMIT ?`,
      ).pluck()
      return lanes.all().flatMap(({ id }) => newest.all(firstOf(id), endOf(id), most))
    },
    coverage(range) {
      const lowest = first.get(...bounds(range))
      if (lowest === undefined) return null
      const count = verdictsBy.all(...countBounds(range)).reduce((sum, each) => sum + each.count, 0)
      return { count, first: offsetOfPlace(lowest), last: offsetOfPlace(last.get(...bounds(range)) as Place) }
    },
    judged: (range) => offsetsOf(offsets.iterate(...bounds(range))),
    *unjudged({ lane, from }, end) {
      const blocks = new Map(
        sums
          .all(blockOf(placeOf(lane.id, from)), blockOf(placeOf(lane.id, end)) + 1)
          .map(({ block, count }) => [block, count]),
      )
      for (let at = from; at < end;) {
        const block = blockOf(placeOf(lane.id, at))
        const next = Math.min(end, at - (at % blockSize) + blockSize)
        if (blocks.get(block) !== blockSize) {
          const judged = new Set(offsets.all(placeOf(lane.id, at), placeOf(lane.id, next)).map(offsetOfPlace))
          for (let offset = at; offset < next; offset++) if (!judged.has(offset)) yield offset
        }
        at = next
      }
    },
    verdictCounts: (range) => verdictsBy.all(...countBounds(range)),
    replayCounts: (range) => replayedBy.all(...bounds(range)),
    deliveryCounts: (range) => deliveriesBy.all(...countBounds(range)),
    judgedAs: (signature, range, most) => alike.all(signature, ...bounds(range), most),
    verdictsOf: (event) => verdicts.get(event),
    again: () => query<[], { event: Place; at: Place }>('SELECT event, at FROM again').all(),
    owed: () => query<[], Owed>('SELECT notice, balance, monitor, event, at FROM owed').all(),
    aside: () =>
      query<[], { topic: string; count: number }>('SELECT topic, count(*) AS count FROM aside GROUP BY topic').all(),
    outcomes(partition) {
      const [from, to] = [firstOf(partition), endOf(partition)]
      return offsetsOf(ats.iterate(from, to, from, to, from, to, from, to, from, to))
    },
    close: () => database.close(),
  }
}

/** The lane and the offset of an event's place. */
export const eventAt = (
  index: OutcomeIndex,
  place: Place,
): { readonly topic: string; readonly partition: number; readonly offset: number } => {
  const lane = index.lanes().find(({ id }) => id === partitionOfPlace(place))
  return { topic: lane?.topic ?? '', partition: lane?.partition ?? -1, offset: offsetOfPlace(place) }
}
