import type { EpochMs } from '../../../schemas/time.ts'
import type { LocalStore, Write, WriteResult } from '../local-store.ts'
import type { LogDatabase } from './database.ts'
import type { Shelf } from './shelves.ts'
import { asLogError, isBusy } from './store-errors.ts'
import type { TaskRows } from './task-rows.ts'

export interface EmbeddedStoreOptions {
  readonly database: LogDatabase
  readonly shelves: readonly Shelf[]
  readonly rows: TaskRows
  readonly now: () => EpochMs
  readonly own: () => void
  /** Asked once this process owns the tasks. */
  readonly othersAreDead: () => boolean
  readonly close: () => void
  readonly onWritten: (bytes: number) => void
}

/** Appends, state and positions in one database. */
export const openEmbeddedStore = (options: EmbeddedStoreOptions): LocalStore => {
  const { database, shelves, rows, now, own, othersAreDead, close, onWritten } = options
  const { writer, file } = database
  const begin = writer.prepare('BEGIN IMMEDIATE')
  const commit = writer.prepare('COMMIT')
  const rollback = writer.prepare('ROLLBACK')
  const version = writer.prepare<[], number>('PRAGMA data_version').pluck()
  let seen = version.get()

  const guarded = <T>(call: () => T): T => {
    try {
      return call()
    } catch (cause) {
      throw asLogError(cause, file)
    }
  }

  const forget = (): void => {
    for (const shelf of shelves) shelf.forget()
  }

  const refresh = (): boolean => {
    const present = version.get()
    if (present === seen) return false
    seen = present
    forget()
    return true
  }

  const apply = ({ records, slots, put, task }: Write, time: EpochMs): readonly number[] => {
    if (task !== undefined) rows.write(task, put)
    const offsets: number[] = []
    for (let index = 0; index < records.length; index++) {
      const record = records[index] as Write['records'][number]
      offsets.push((shelves[slots[index] as number] as Shelf).add(time, record.key, record.value))
    }
    return offsets
  }

  /** All of the writes or none. */
  const together = (writes: readonly Write[]): readonly WriteResult[] => {
    begin.run()
    try {
      refresh()
      const time = now()
      const results = writes.map((write) => apply(write, time))
      commit.run()
      return results
    } catch (cause) {
      // The database itself undoes the transaction when its disk is full.
      if (writer.inTransaction) rollback.run()
      forget()
      throw cause
    }
  }

  const failed = (cause: unknown, writes: readonly Write[]): readonly WriteResult[] => {
    const error = asLogError(cause, file)
    if (error.code !== 'LOG_REFUSED' || writes.length === 1) return writes.map(() => error)
    // One of them is impossible: the others must not suffer for it.
    return writes.map((write) => {
      try {
        return together([write])[0] as WriteResult
      } catch (own) {
        return asLogError(own, file)
      }
    })
  }

  const write = (writes: readonly Write[]): readonly WriteResult[] | 'busy' => {
    try {
      const results = together(writes)
      onWritten(bytesOf(writes))
      return results
    } catch (cause) {
      return isBusy(cause) ? 'busy' : failed(cause, writes)
    }
  }

  const shelf = (slot: number): Shelf => shelves[slot] as Shelf
  return {
    end: (slot) => guarded(() => shelf(slot).end()),
    floor: (slot) => guarded(() => shelf(slot).floor()),
    page: (slot, from, to, most) => guarded(() => shelf(slot).page(from, to, most)),
    offsetAt: (slot, time) => guarded(() => shelf(slot).offsetAt(time)),
    openTask: (topology, partition) =>
      guarded(() => ({ ...rows.open(topology, partition), othersAreDead: othersAreDead() })),
    write,
    own,
    close,
    refresh: () => guarded(refresh),
  }
}

const bytesOf = (writes: readonly Write[]): number => {
  let bytes = 0
  for (const { records } of writes) for (const { value } of records) bytes += value.length
  return bytes
}
