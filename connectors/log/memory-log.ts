import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import type { Topic } from '../../schemas/topics.ts'
import { openAdmission } from './admission.ts'
import type { LogRecord, TaskState } from './event-log.ts'
import { openLocalLog, type LocalLog } from './local-log.ts'
import type { LocalStore, OpenedTask, Write } from './local-store.ts'
import type { CommitFault } from './running-task.ts'
import { openSortedMap, type SortedMap } from './sorted-map.ts'

/** A log that lives as long as this object: unsubscribing all tasks and subscribing anew restores state and positions. */
export interface MemoryLog extends LocalLog {
  /** A new log over all that this one kept, for after its `close`: the relay was down. */
  reopened(): MemoryLog
}

export interface MemoryLogOptions {
  readonly topics: readonly Topic[]
  readonly partitions: number
  readonly clock: Clock
  readonly tell: Tell
  /** Key and value of one record at most. */
  readonly maxRecordBytes?: number
  /** What befalls each commit; for tests and scenarios. */
  readonly commitFault?: CommitFault
}

/** A log in memory, with the meaning of the durable ones; under a virtual clock it does nothing by itself. */
export const openMemoryLog = (options: MemoryLogOptions): MemoryLog => {
  const { topics, partitions, clock, tell, maxRecordBytes, commitFault } = options
  const admission = openAdmission({ topics, partitions, maxRecordBytes })
  const store = openMemoryStore({ topics, partitions, clock })
  const open = (): MemoryLog => {
    const { log } = openLocalLog({ store, admission, partitions, clock, tell, commitFault })
    return { ...log, reopened: open }
  }
  return open()
}

/** Records of one topic's partition, oldest first; compaction leaves gaps between offsets. */
interface Shelf {
  readonly topic: Topic
  records: LogRecord[]
  floor: number
  end: number
}

interface Kept {
  readonly id: number
  readonly state: SortedMap<Uint8Array>
  readonly positions: Map<number, number>
}

const openMemoryStore = ({
  topics,
  partitions,
  clock,
}: Pick<MemoryLogOptions, 'topics' | 'partitions' | 'clock'>): LocalStore => {
  const shelves = topics.flatMap((topic) =>
    Array.from({ length: partitions }, (): Shelf => ({ topic, records: [], floor: 0, end: 0 })),
  )
  const tasks: Kept[] = []
  const taskIds = new Map<string, number>()
  const shelf = (slot: number): Shelf => shelves[slot] as Shelf

  const taskOf = (topology: string, partition: number): Kept => {
    const name = `${topology}\n${partition}`
    const id = taskIds.get(name) ?? tasks.length
    taskIds.set(name, id)
    return (tasks[id] ??= { id, state: openSortedMap(), positions: new Map() })
  }

  const place = (slot: number, { topic, key, value }: Write['records'][number]): number => {
    const { records, end, topic: kept } = shelf(slot)
    const written = key.toWellFormed()
    if (kept.compacted === true) shelf(slot).records = records.filter((record) => record.key !== written)
    const record = {
      topic,
      partition: slot % partitions,
      offset: end,
      timestamp: clock.now(),
      key: written,
      value: value.slice(),
    }
    shelf(slot).records.push(record)
    shelf(slot).end++
    trim(shelf(slot))
    return end
  }

  /** Retention by time: the floor rises over what is too old, read or not. */
  const trim = (of: Shelf): void => {
    const oldest = clock.now() - (of.topic.keptMs ?? Infinity)
    const kept = of.records.findIndex(({ timestamp }) => timestamp >= oldest)
    const gone = kept < 0 ? of.records.length : kept
    if (gone === 0) return
    of.records.splice(0, gone)
    of.floor = of.records[0]?.offset ?? of.end
  }

  const write = ({ records, slots, put, task }: Write): readonly number[] => {
    if (task !== undefined) {
      const { state, positions } = tasks[task.id] as Kept
      for (const [key, value] of put) state.set(key.toWellFormed(), value?.slice())
      for (const [topic, next] of task.positions) positions.set(topic, next)
    }
    return records.map((record, index) => place(slots[index] as number, record))
  }

  const openTask = (topology: string, partition: number): OpenedTask => {
    for (const each of shelves) if (each.topic.compacted !== true) trim(each)
    const { id, state, positions } = taskOf(topology, partition)
    return { id, state: readOnly(state), othersAreDead: false, position: (topic) => positions.get(topic) }
  }

  return {
    end: (slot) => shelf(slot).end,
    floor: (slot) => shelf(slot).floor,
    page: (slot, from, to, most) => {
      const { records } = shelf(slot)
      const first = indexFrom(records, from)
      const last = Math.min(indexFrom(records, to), first + most)
      return records.slice(first, last)
    },
    offsetAt: (slot, time) => shelf(slot).records.find(({ timestamp }) => timestamp >= time)?.offset ?? shelf(slot).end,
    refresh: () => false,
    openTask,
    write: (writes) => writes.map(write),
    own: () => undefined,
    close: () => undefined,
  }
}

const readOnly = (state: SortedMap<Uint8Array>): TaskState => ({
  get: (key) => state.get(key.toWellFormed()),
  range: (from, to) => state.range(from.toWellFormed(), to.toWellFormed()),
})

/** Index of the first record at or after an offset. */
const indexFrom = (records: readonly LogRecord[], offset: number): number => {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((records[middle] as LogRecord).offset < offset) low = middle + 1
    else high = middle
  }
  return low
}
