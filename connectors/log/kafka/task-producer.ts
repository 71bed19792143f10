import { Partitioners, type Kafka, type Transaction } from 'kafkajs'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import type { ChangelogEntry } from './changelog.ts'
import { patient } from './connection.ts'
import { asKafkaError } from './kafka-errors.ts'
import { sendInOrder, type Outgoing } from './record-batches.ts'

/** Records for one partition of one topic, by the topic's full name. */
export interface OutgoingShare {
  readonly topic: string
  readonly partition: number
  readonly records: readonly Outgoing[]
}

export interface Transacted {
  /** Offsets of each share's records. */
  readonly shares: readonly (readonly number[])[]
  /** Offsets of the changelog's entries. */
  readonly entries: readonly number[]
}

/** The one who may write for a partition: opening another one with its name ends what this one can do. */
export interface TaskProducer {
  /** All of it or nothing; rejects with ConnectorError, and must not be used then any more. One at a time. */
  commit(shares: readonly OutgoingShare[], entries: readonly ChangelogEntry[], at: EpochMs): Promise<Transacted>
  /** Lets a running commit end. */
  close(): Promise<void>
}

export interface TaskProducerOptions {
  readonly kafka: Kafka
  readonly brokers: readonly string[]
  readonly transactionalId: string
  readonly changelog: string
  readonly partition: number
  /** Asked before anybody is fenced: whoever has lost the partition meanwhile must not. Left out: always. */
  readonly isWanted?: () => boolean
}

/** How long the broker lets a transaction be open: those here are open only while they are committed. */
const transactionTimeout = 60_000
/** By then the broker has given the transaction up, or will when it is fenced: whoever still waits would wait for ever. */
const commitMostMs = 45_000

/** Opens a producer and fences the one before it. Rejects with ConnectorError. */
export const openTaskProducer = async (options: TaskProducerOptions): Promise<TaskProducer> => {
  const { kafka, brokers, transactionalId, changelog, partition, isWanted } = options
  const place = { brokers, deed: 'cannot commit', topic: changelog, partition }
  const producer = kafka.producer({
    transactionalId,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout,
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
    retry: patient,
  })
  let first: Transaction | undefined
  let running: Promise<unknown> = Promise.resolve()
  try {
    await producer.connect()
    if (isWanted?.() === false) throw new ConnectorError('CLOSED', `${transactionalId} is not wanted any more`)
    // The first one asks for the producer's number, which fences; it is used by the first commit.
    first = await producer.transaction()
  } catch (cause) {
    await producer.disconnect().catch(() => undefined)
    throw asKafkaError(cause, { ...place, deed: `cannot become the writer ${transactionalId}` })
  }

  const transact = async (
    shares: readonly OutgoingShare[],
    entries: readonly ChangelogEntry[],
    at: EpochMs,
  ): Promise<Transacted> => {
    const transaction = first ?? (await producer.transaction())
    first = undefined
    const offsets: (readonly number[])[] = []
    for (const share of shares)
      offsets.push(await sendInOrder(transaction.send, share.topic, share.partition, share.records, at))
    const records = entries.map(({ key, value }) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }))
    const placed = await sendInOrder(transaction.send, changelog, partition, records, at)
    await transaction.commit()
    return { shares: offsets, entries: placed }
  }

  return {
    commit: async (shares, entries, at) => {
      const committing = within(commitMostMs, transact(shares, entries, at))
      running = committing.catch(() => undefined)
      try {
        return await committing
      } catch (cause) {
        throw asKafkaError(cause, place)
      }
    },
    close: async () => {
      await running
      await producer.disconnect().catch(() => undefined)
    },
  }
}

const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
