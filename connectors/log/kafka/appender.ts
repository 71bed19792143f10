import { Partitioners, type Kafka, type Producer } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import type { EpochMs } from '../../../schemas/time.ts'
import { patient } from './connection.ts'
import { asKafkaError } from './kafka-errors.ts'
import { sendInOrder, type Outgoing } from './record-batches.ts'

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

/** An idempotent producer and how many of its sends are under way. */
interface Used {
  readonly slot: number
  readonly producer: Promise<Producer>
  sends: number
  isDone: boolean
}

/** The client sends one request after the other to a broker: so many go at once, each to partitions of its own. */
const producers = 4
const connectAgainMs = 200
/** The client's own patience comes on top. */
const connectPatienceMs = 10_000

/** A few producers, one send at a time to each partition, which holds all that waits for it. */
export const openAppender = ({ kafka, brokers, now }: AppenderOptions): Appender => {
  const lanes = new Map<string, Lane>()
  const used: (Used | undefined)[] = []
  let isClosed = false

  const connectOnce = async (): Promise<Producer> => {
    const producer = kafka.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
      retry: patient,
    })
    try {
      await producer.connect()
      return producer
    } catch (cause) {
      await producer.disconnect().catch(() => undefined)
      throw cause
    }
  }

  /** The client gives up at once when the connection breaks while it asks for the producer's number; nothing was sent by then. */
  const connect = async (): Promise<Producer> => {
    for (const begun = performance.now(); ; await setTimeout(connectAgainMs))
      try {
        return await connectOnce()
      } catch (cause) {
        const { code } = asKafkaError(cause, { brokers, deed: 'cannot append' })
        if (isClosed || code !== 'LOG_UNAVAILABLE' || performance.now() - begun > connectPatienceMs) throw cause
      }
  }

  const retire = (of: Used): void => {
    of.isDone = true
    if (used[of.slot] === of) used[of.slot] = undefined
    if (of.sends === 0) void of.producer.then((producer) => producer.disconnect()).catch(() => undefined)
  }

  const withProducer = async <T>(slot: number, work: (producer: Producer) => Promise<T>): Promise<T> => {
    const mine = (used[slot] ??= { slot, producer: connect(), sends: 0, isDone: false })
    mine.sends++
    try {
      return await work(await mine.producer)
    } catch (cause) {
      // After a failed send its numbering may be broken for ever.
      mine.isDone = true
      throw cause
    } finally {
      mine.sends--
      if (mine.isDone) retire(mine)
    }
  }

  const run = async (lane: Lane): Promise<void> => {
    const { topic, partition } = lane
    while (lane.waiting.length > 0) {
      const taken = lane.waiting
      lane.waiting = []
      const records = taken.flatMap((each) => each.records)
      try {
        const offsets = await withProducer(partition % producers, ({ send }) =>
          sendInOrder(send, topic, partition, records, now()),
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
      isClosed = true
      await Promise.all([...lanes.values()].flatMap(({ running }) => running ?? []))
      await Promise.all(
        used.map(async (last) => {
          if (last === undefined) return
          retire(last)
          await last.producer.then((producer) => producer.disconnect()).catch(() => undefined)
        }),
      )
    },
  }
}
