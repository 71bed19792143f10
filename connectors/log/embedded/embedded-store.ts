import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import type { LocalStore, Write, WriteResult } from '../local-store.ts'
import type { CommitLine } from './commit-line.ts'
import type { Shelf } from './shelves.ts'
import { asLogError } from './store-errors.ts'
import type { TaskRows } from './task-rows.ts'

export interface EmbeddedStoreOptions {
  readonly file: string
  readonly shelves: readonly Shelf[]
  readonly rows: TaskRows
  readonly line: CommitLine
  readonly now: () => EpochMs
  readonly own: () => void
  /** Asked once this process owns the tasks. */
  readonly othersAreDead: () => boolean
  readonly close: () => Promise<void>
  readonly onWritten: (bytes: number) => void
}

/** Appends, state and positions in one database: written by another thread, read here. */
export const openEmbeddedStore = (options: EmbeddedStoreOptions): LocalStore => {
  const { file, shelves, rows, line, now, own, othersAreDead, close, onWritten } = options

  const guarded = <T>(call: () => T): T => {
    try {
      return call()
    } catch (cause) {
      throw asLogError(cause, file)
    }
  }

  const shelf = (slot: number): Shelf => shelves[slot] as Shelf

  /** What stands in the log is read from memory by whoever reads along. */
  const note = ({ records, slots }: Write, offsets: readonly number[], time: EpochMs): void => {
    for (let index = 0; index < records.length; index++)
      shelf(slots[index] as number).landed(offsets[index] as number, time, records[index] as Write['records'][number])
  }

  const write = async (writes: readonly Write[]): Promise<readonly WriteResult[]> => {
    const time = now()
    const results = await line.write(writes, time)
    let bytes = 0
    for (const [index, result] of results.entries()) {
      if (result instanceof ConnectorError) continue
      const written = writes[index] as Write
      note(written, result, time)
      bytes += bytesOf(written)
    }
    onWritten(bytes)
    return results
  }

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
    refresh: (slot) =>
      guarded(() => {
        const before = shelf(slot).end()
        shelf(slot).forget()
        return shelf(slot).end() !== before
      }),
  }
}

const bytesOf = ({ records }: Write): number => {
  let bytes = 0
  for (const { value } of records) bytes += value.length
  return bytes
}
