import type { Kafka } from 'kafkajs'
import type { EpochMs } from '../../../schemas/time.ts'
import type { ChangelogEntry } from './changelog.ts'
import { asKafkaError } from './kafka-errors.ts'
import { openTransactionLine, type OutgoingShare, type TransactionLine } from './transaction-line.ts'

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
  /** How old knowledge of leaders may be, ms. */
  readonly metadata: number
  /** Asked before anybody is fenced: whoever has lost the partition meanwhile must not. Left out: always. */
  readonly isWanted?: () => boolean
}

/** How long the broker lets a transaction be open: those here are open only while they are committed. */
const transactionTimeout = 60_000
/** By then the broker has given the transaction up, or will when it is fenced: whoever still waits would wait for ever. */
const commitMostMs = 45_000

/** Opens a producer and fences the one before it. Rejects with ConnectorError. */
export const openTaskProducer = async (options: TaskProducerOptions): Promise<TaskProducer> => {
  const { kafka, brokers, transactionalId, changelog, partition, metadata, isWanted } = options
  const place = { brokers, deed: 'cannot commit', topic: changelog, partition }
  let line: TransactionLine
  let running: Promise<unknown> = Promise.resolve()
  try {
    const topics = [changelog]
    line = await openTransactionLine({
      kafka,
      brokers,
      transactionalId,
      transactionTimeout,
      metadata,
      topics,
      isWanted,
    })
  } catch (cause) {
    throw asKafkaError(cause, { ...place, deed: `cannot become the writer ${transactionalId}` })
  }

  const transact = async (
    shares: readonly OutgoingShare[],
    entries: readonly ChangelogEntry[],
    at: EpochMs,
  ): Promise<Transacted> => {
    const records = entries.map(({ key, value }) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }))
    const placed = await line.commit([...shares, { topic: changelog, partition, records }], at)
    return { shares: placed.slice(0, -1), entries: placed.at(-1) ?? [] }
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
      await line.close()
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
