import type { Kafka } from 'kafkajs'
import type { EpochMs } from '../../../schemas/time.ts'
import { type AppendLine, openAppendLine } from './append-line.ts'
import { asKafkaError } from './kafka-errors.ts'
import { batchesOf, type Outgoing } from './record-batches.ts'

/** Facts from outside a task, of the whole process. */
export interface Appender {
  /** In the order of the calls within each partition. Answers with the offsets; rejects with ConnectorError. */
  append(topic: string, partition: number, records: readonly Outgoing[]): Promise<readonly number[]>
  /** Lets what has begun end. */
  close(): Promise<void>
}

export interface AppenderOptions {
  readonly kafka: Kafka
  readonly brokers: readonly string[]
  /** How old knowledge of leaders may be, ms. */
  readonly metadata: number
  readonly now: () => EpochMs
}

interface Waiting {
  readonly records: readonly Outgoing[]
  readonly resolve: (offsets: readonly number[]) => void
  readonly reject: (cause: unknown) => void
}

interface Lane {
  readonly topic: string
  readonly partition: number
  waiting: Waiting[]
  running: Promise<void> | undefined
}

/** A line and how many partitions use it. */
interface Used {
  readonly line: Promise<AppendLine>
  users: number
  isDone: boolean
}

/** Each partition's records one batch after the other, holding all that waits for it; those of all partitions go together. */
export const openAppender = ({ kafka, brokers, metadata, now }: AppenderOptions): Appender => {
  const lanes = new Map<string, Lane>()
  const open = new Set<Used>()
  let current: Used | undefined

  const closeLine = async (of: Used): Promise<void> => {
    await of.line.then((line) => line.close()).catch(() => undefined)
    open.delete(of)
  }

  const openLine = (topic: string): Promise<AppendLine> =>
    openAppendLine({ kafka, brokers, metadata, topics: [topic], now })

  const withLine = async <T>(topic: string, work: (line: AppendLine) => Promise<T>): Promise<T> => {
    const mine = (current ??= { line: openLine(topic), users: 0, isDone: false })
    open.add(mine)
    mine.users++
    try {
      return await work(await mine.line)
    } catch (cause) {
      // After a failed write its numbers are wrong.
      mine.isDone = true
      if (current === mine) current = undefined
      throw cause
    } finally {
      mine.users--
      if (mine.isDone && mine.users === 0) void closeLine(mine)
    }
  }

  const write = async (topic: string, partition: number, records: readonly Outgoing[]): Promise<readonly number[]> => {
    const offsets: number[] = []
    for (const batch of batchesOf(records)) {
      const base = await withLine(topic, (line) => line.write({ topic, partition, records: batch }))
      for (let index = 0; index < batch.length; index++) offsets.push(base + index)
    }
    return offsets
  }

  const run = async (lane: Lane): Promise<void> => {
    const { topic, partition } = lane
    while (lane.waiting.length > 0) {
      const taken = lane.waiting
      lane.waiting = []
      try {
        const offsets = await write(
          topic,
          partition,
          taken.flatMap(({ records }) => records),
        )
        let from = 0
        for (const each of taken) each.resolve(offsets.slice(from, (from += each.records.length)))
      } catch (cause) {
        const error = asKafkaError(cause, { brokers, deed: 'cannot append', topic, partition })
        for (const each of taken) each.reject(error)
      }
    }
    lane.running = undefined
  }

  return {
    append: (topic, partition, records) =>
      new Promise((resolve, reject) => {
        const name = `${topic}/${partition}`
        const lane = lanes.get(name) ?? { topic, partition, waiting: [], running: undefined }
        lanes.set(name, lane)
        lane.waiting.push({ records, resolve, reject })
        lane.running ??= Promise.resolve().then(() => run(lane))
      }),
    close: async () => {
      await Promise.all([...lanes.values()].flatMap(({ running }) => running ?? []))
      await Promise.all([...open].map(closeLine))
    },
  }
}
