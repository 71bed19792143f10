import type { Cluster, Kafka } from 'kafkajs'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import { type BatchWriter, type NumberedBatch, openNumbering, sendBatches } from './numbered-batches.ts'
import { batchesOf, type Outgoing } from './record-batches.ts'
import { mayPass, openSteadyCluster } from './steady-cluster.ts'

/** Records for one partition of one topic, by the topic's full name. */
export interface OutgoingShare {
  readonly topic: string
  readonly partition: number
  readonly records: readonly Outgoing[]
}

/** The transactions of one transactional id, one after the other. After an error it must be closed. */
export interface TransactionLine {
  /** Sends all shares, each for another partition, and commits. Answers with the offsets of each share's records. */
  commit(shares: readonly OutgoingShare[], at: EpochMs): Promise<readonly (readonly number[])[]>
  close(): Promise<void>
}

export interface TransactionLineOptions {
  readonly kafka: Kafka
  readonly brokers: readonly string[]
  readonly transactionalId: string
  /** How long the broker lets a transaction be open, ms. */
  readonly transactionTimeout: number
  /** How old knowledge of leaders may be, ms. */
  readonly metadata: number
  /** Some that are written to, at least one. */
  readonly topics: readonly string[]
  /** Asked before anybody is fenced: whoever has lost the partition meanwhile must not. Left out: always. */
  readonly isWanted?: (() => boolean) | undefined
}

interface Topics {
  readonly topic: string
  readonly partitions: number[]
}

type Writer = Pick<BatchWriter, 'producerId' | 'producerEpoch'>

/** A broker as the client has it; its types leave this out. */
interface TransactionBroker {
  initProducerId(of: { transactionalId: string; transactionTimeout: number }): Promise<Writer>
  addPartitionsToTxn(of: Writer & { transactionalId: string; topics: readonly Topics[] }): Promise<unknown>
  endTxn(of: Writer & { transactionalId: string; transactionResult: boolean }): Promise<unknown>
}

const transactionCoordinator = 1

/** Opens it and ends what an earlier one with the same id can do. Rejects with errors of the client. */
export const openTransactionLine = async (options: TransactionLineOptions): Promise<TransactionLine> => {
  const { kafka, brokers, transactionalId, transactionTimeout, metadata, topics, isWanted } = options
  const numbered = openNumbering()
  let coordinator: string | undefined
  const onTrouble = (): void => void (coordinator = undefined)
  const { persistently, close } = openSteadyCluster({ kafka, brokers, metadata, topics, onTrouble })

  const coordinatorOf = async (cluster: Cluster): Promise<TransactionBroker> => {
    const question = { groupId: transactionalId, coordinatorType: transactionCoordinator }
    coordinator ??= String((await cluster.findGroupCoordinatorMetadata(question)).coordinator.nodeId)
    return (await cluster.findBroker({ nodeId: coordinator })) as unknown as TransactionBroker
  }

  /** One batch of each partition. Who answered is not asked again; the others go to who leads then. */
  const produce = async (
    batches: readonly NumberedBatch[],
    at: EpochMs,
  ): Promise<ReadonlyMap<NumberedBatch, number>> => {
    const placed = new Map<NumberedBatch, number>()
    await persistently(async (cluster) => {
      const missing = batches.filter((batch) => !placed.has(batch))
      const errors: Error[] = []
      await sendBatches(cluster, { batches: missing, writer: { ...writer, transactionalId }, at }, (batch, result) => {
        if (typeof result === 'number') placed.set(batch, result)
        else errors.push(result)
      })
      // One that is for good counts before those that may pass.
      const error = errors.find((each) => !mayPass(each, brokers)) ?? errors[0]
      if (error !== undefined) throw error
    })
    return placed
  }

  /** All at once: one batch of each share in the first round, what is left of the large ones in the next. */
  const send = async (shares: readonly OutgoingShare[], at: EpochMs): Promise<readonly (readonly number[])[]> => {
    const offsets = shares.map((): number[] => [])
    const waiting = shares.map((share) => ({ share, batches: batchesOf(share.records) }))
    for (;;) {
      const round = new Map<number, NumberedBatch>()
      for (const [index, { share, batches }] of waiting.entries()) {
        const { value } = batches.next()
        if (value === undefined) continue
        const { topic, partition } = share
        round.set(index, numbered({ topic, partition, records: value }))
      }
      if (round.size === 0) return offsets
      const placed = await produce([...round.values()], at)
      for (const [index, batch] of round)
        for (let nth = 0; nth < batch.records.length; nth++) offsets[index]?.push((placed.get(batch) ?? 0) + nth)
    }
  }

  const writer = await persistently(async (cluster) => {
    const broker = await coordinatorOf(cluster)
    if (isWanted?.() === false) throw new ConnectorError('CLOSED', `${transactionalId} is not wanted any more`)
    const { producerId, producerEpoch } = await broker.initProducerId({ transactionalId, transactionTimeout })
    return { producerId, producerEpoch }
  }).catch(async (cause: unknown) => {
    await close()
    throw cause
  })

  return {
    commit: async (shares, at) => {
      const written = [...Map.groupBy(shares, ({ topic }) => topic)].map(([topic, of]) => ({
        topic,
        partitions: of.map(({ partition }) => partition),
      }))
      const own = { ...writer, transactionalId }
      await persistently(async (cluster) =>
        (await coordinatorOf(cluster)).addPartitionsToTxn({ ...own, topics: written }),
      )
      const offsets = await send(shares, at)
      await persistently(async (cluster) => (await coordinatorOf(cluster)).endTxn({ ...own, transactionResult: true }))
      return offsets
    },
    close,
  }
}
