import Sqlite from 'better-sqlite3'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { takeOwnership, type Ownership } from '../embedded/owner.ts'
import { asLogError } from '../embedded/store-errors.ts'
import { ConnectorError } from '../../errors.ts'
import type { StateKey, TaskState } from '../event-log.ts'
import { stateKeyOf, type ChangelogEntry } from './changelog.ts'
import { type LatePart, openLateWrites } from './late-writes.ts'
import { openOwnOffsets } from './own-offsets.ts'

/** An entry and its offset in the changelog. */
export interface PlacedEntry extends ChangelogEntry {
  readonly offset: number
}

/** What this process knows of one partition of a changelog. */
export interface CachedPartition {
  readonly state: TaskState
  get(key: string): Uint8Array | undefined
  /** The changelog is read from here; undefined: from its beginning. */
  readonly position: () => number | undefined
  /** What the owner's own commit wrote. */
  write(entries: readonly PlacedEntry[]): void
  /** What was read from the changelog, and where reading goes on; it is seen at once, and in the file some time later. */
  read(entries: readonly PlacedEntry[], next: number): void
  /** Everything kept is void: the changelog is read from its beginning. */
  forget(): void
}

/**
 * A copy of changelogs on this machine. Of two writes of one key the one with the higher offset wins, whoever brings it: the
 * reader and the owner need not wait for each other. It may be deleted at any time while nobody uses it.
 */
export interface StateCache {
  partition(changelog: string, partition: number): CachedPartition
  close(): void
}

export interface StateCacheOptions {
  readonly dir: string
  /** Which log the copies are of; what another one left is removed. */
  readonly log: string
  readonly now: () => number
}

const mostProcesses = 64
/**
 * A copy that was not kept up for so long is made anew: compaction may have removed the marks of what was deleted meanwhile.
 * Far less than those marks are kept.
 */
export const staleMs = 86_400_000

/** As it is kept here. */
interface OpenPartition extends CachedPartition {
  /** It was left alone for so long that what was deleted meanwhile may be in it still. */
  isStale(): boolean
}

type Entry = readonly [StateKey, Uint8Array]
const secondPageEntries = 16
const pageEntries = 256
/** Entries that one statement writes: a statement costs more than an entry does. */
const entriesTogether = 16
/** What an entry takes in memory beside its bytes. */
const entryOverhead = 100
/** Time stamps of positions need not be exact. */
const stampEveryMs = 60_000

/** Opens a copy that no other process uses, in a directory that several processes may share. Throws ConnectorError. */
export const openStateCache = ({ dir, log, now }: StateCacheOptions): StateCache => {
  const { place, ownership } = claim(dir)
  const file = join(place, 'state.db')
  let database: Sqlite.Database | undefined
  try {
    closeSync(openSync(file, 'a', 0o600))
    database = new Sqlite(file)
    prepare(database, log)
    return assemble(database, { file, ownership, now })
  } catch (cause) {
    database?.close()
    ownership.release(true)
    throw asLogError(cause, file)
  }
}

/** The first place of the directory that no other process holds. */
const claim = (dir: string): { place: string; ownership: Ownership } => {
  for (let number = 1; number <= mostProcesses; number++) {
    const place = join(dir, `kafka-state-${number}`)
    try {
      mkdirSync(place, { recursive: true, mode: 0o700 })
    } catch (cause) {
      throw asLogError(cause, place)
    }
    try {
      return { place, ownership: takeOwnership(place) }
    } catch (cause) {
      if (!(cause instanceof ConnectorError) || !cause.message.startsWith('the tasks of the log')) throw cause
    }
  }
  throw new ConnectorError(
    'LOG_DENIED',
    `${mostProcesses} processes keep their state in ${dir}: name another directory for this one`,
  )
}

const prepare = (database: Sqlite.Database, log: string): void => {
  database.pragma('journal_mode = WAL')
  // What a power cut takes is read again from the changelog: rows and position go together.
  database.pragma('synchronous = NORMAL')
  database.pragma('cache_size = -32768')
  // The same pages are written again and again: they are brought over seldom.
  database.pragma('wal_autocheckpoint = 8000')
  database.exec(`
    CREATE TABLE IF NOT EXISTS meta (log TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS task (
      id INTEGER PRIMARY KEY, changelog TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER, stamp INTEGER NOT NULL DEFAULT 0,
      UNIQUE (changelog, partition)
    ) STRICT;
    CREATE TABLE IF NOT EXISTS entry (
      task INTEGER NOT NULL, key TEXT NOT NULL, value BLOB, offset INTEGER NOT NULL, PRIMARY KEY (task, key)
    ) STRICT, WITHOUT ROWID;
  `)
  if (database.prepare('SELECT log FROM meta').pluck().get() === log) return
  database.exec('DELETE FROM meta; DELETE FROM task; DELETE FROM entry')
  database.prepare('INSERT INTO meta VALUES (?)').run(log)
}

type Column = number | string | Uint8Array | null

/** Puts so many entries; what is older than the one that stands is left out. */
const putStatement = (database: Sqlite.Database, entries: number): Sqlite.Statement<[readonly Column[]]> =>
  database.prepare(
    `INSERT INTO entry VALUES ${Array.from({ length: entries }, () => '(?, ?, ?, ?)').join()} ` +
      'ON CONFLICT DO UPDATE SET value = excluded.value, offset = excluded.offset WHERE excluded.offset > offset',
  )

const assemble = (
  database: Sqlite.Database,
  { file, ownership, now }: { file: string; ownership: Ownership; now: () => number },
): StateCache => {
  const create = database.prepare('INSERT OR IGNORE INTO task (changelog, partition) VALUES (?, ?)')
  const find = database.prepare<[string, number], { id: number; next: number | null; stamp: number }>(
    'SELECT id, next, stamp FROM task WHERE changelog = ? AND partition = ?',
  )
  const move = database.prepare<[number, number, number]>('UPDATE task SET next = ?, stamp = ? WHERE id = ?')
  const unplace = database.prepare<[number]>('UPDATE task SET next = NULL WHERE id = ?')
  const clear = database.prepare<[number]>('DELETE FROM entry WHERE task = ?')
  const put = putStatement(database, 1)
  const putTogether = putStatement(database, entriesTogether)
  const remove = database.prepare<[number, string, number]>(
    'DELETE FROM entry WHERE task = ? AND key = ? AND offset <= ?',
  )
  const get = database
    .prepare<[number, string], Uint8Array | null>('SELECT value FROM entry WHERE task = ? AND key = ?')
    .pluck()
  // In this form the plan depends on no value that is bound.
  const rangeFrom = (comparison: '>=' | '>', most: number) =>
    database
      .prepare<[number, string, number, string], Entry>(
        `SELECT key, value FROM entry WHERE (task, key) ${comparison} (?, ?) AND (task, key) < (?, ?) AND value IS NOT NULL ORDER BY task, key LIMIT ${most}`,
      )
      .raw()
  const firstEntry = rangeFrom('>=', 1)
  const secondPage = rangeFrom('>', secondPageEntries)
  const nextPage = rangeFrom('>', pageEntries)

  const putAll = (id: number, entries: readonly PlacedEntry[]): void => {
    const columns = ({ key, value, offset }: PlacedEntry): readonly Column[] => [id, key, value, offset]
    let next = 0
    for (; next + entriesTogether <= entries.length; next += entriesTogether)
      putTogether.run(entries.slice(next, next + entriesTogether).flatMap(columns))
    for (; next < entries.length; next++) put.run(columns(entries[next] as PlacedEntry))
  }

  const guarded = <T>(call: () => T): T => {
    try {
      return call()
    } catch (cause) {
      throw asLogError(cause, file)
    }
  }

  /** In pages: an open cursor would keep the connection from writing. */
  function* range(id: number, from: string, to: string): Iterable<Entry> {
    const first = firstEntry.get(id, from, id, to)
    if (first === undefined) return
    yield [first[0].slice(1), first[1]]
    let last = first[0]
    for (let most = secondPageEntries, statement = secondPage; ; most = pageEntries, statement = nextPage) {
      const page = statement.all(id, last, id, to)
      for (const [key, value] of page) yield [key.slice(1), value]
      if (page.length < most) return
      last = (page.at(-1) as Entry)[0]
    }
  }

  const late = openLateWrites(database)

  const partitions = new Map<string, OpenPartition>()
  const partitionOf = (changelog: string, partition: number): CachedPartition => {
    const name = `${changelog}/${partition}`
    const opened = partitions.get(name) ?? openPartition(changelog, partition)
    partitions.set(name, opened)
    if (opened.isStale()) opened.forget()
    return opened
  }

  const openPartition = (changelog: string, partition: number): OpenPartition => {
    create.run(changelog, partition)
    const row = find.get(changelog, partition)
    const id = row?.id ?? 0
    let position = row?.next ?? undefined
    let stamp = row?.stamp ?? 0

    const forget = (): void => {
      clear.run(id)
      unplace.run(id)
      position = undefined
    }
    const writeAll = database.transaction((entries: readonly PlacedEntry[]) => putAll(id, entries))
    const own = openOwnOffsets()
    const unwritten = new Map<string, PlacedEntry>()
    /** The file lacks what somebody else wrote. */
    let isBehind = false
    const file: LatePart = {
      write: () => {
        // In the order of the file: neighbours go onto one page.
        const entries = [...unwritten.keys()].sort().map((key) => unwritten.get(key) as PlacedEntry)
        // Once the reader has passed a deletion, nothing older can come: the mark has done its work.
        for (const { key, value, offset } of entries) if (value === null) remove.run(id, key, offset)
        putAll(
          id,
          entries.filter(({ value }) => value !== null),
        )
        if (position !== undefined) move.run(position, stamp, id)
      },
      written: () => {
        unwritten.clear()
        isBehind = false
      },
    }
    const seen = <T>(look: () => T): T => {
      if (isBehind) late.flush()
      return look()
    }
    return {
      state: {
        get: (key) => guarded(() => seen(() => get.get(id, stateKeyOf(key)) ?? undefined)),
        range: (from, to) => guarded(() => seen(() => range(id, stateKeyOf(from), stateKeyOf(to)))),
      },
      get: (key) => guarded(() => seen(() => get.get(id, key) ?? undefined)),
      position: () => position,
      isStale: () => position !== undefined && Math.abs(now() - stamp) > staleMs,
      write: (entries) =>
        guarded(() => {
          writeAll(entries)
          own.add(entries)
        }),
      read: (entries, next) => {
        if (Math.abs(now() - stamp) > stampEveryMs) stamp = now()
        let bytes = 0
        for (const entry of entries) {
          const isOwn = own.has(entry.offset)
          if (isOwn && entry.value !== null) continue
          isBehind ||= !isOwn
          unwritten.set(entry.key, entry)
          bytes += entry.key.length + (entry.value?.length ?? 0) + entryOverhead
        }
        own.forget(next)
        position = next
        guarded(() => late.add(file, bytes))
      },
      forget: () =>
        guarded(() => {
          file.written()
          own.forget(Infinity)
          database.transaction(forget)()
        }),
    }
  }

  return {
    partition: (changelog, partition) => guarded(() => partitionOf(changelog, partition)),
    close: () => {
      try {
        late.close()
      } finally {
        database.close()
      }
      ownership.release(true)
    },
  }
}
