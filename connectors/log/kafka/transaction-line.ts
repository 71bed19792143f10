import type { Cluster, Kafka } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import { speaking } from './broker-protocol.ts'
import { openCluster, type OpenCluster } from './connection.ts'
import { asKafkaError, hasSign } from './kafka-errors.ts'
import { producing } from './produce-request.ts'
import { batchesOf, type Outgoing } from './record-batches.ts'

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
  /** Asked before anybody is fenced: whoever has lost the partition meanwhile must not. Left out: always. */
  readonly isWanted?: (() => boolean) | undefined
}

interface Topics {
  readonly topic: string
  readonly partitions: number[]
}

interface Produced {
  readonly topics: readonly {
    readonly topicName: string
    readonly partitions: readonly { readonly partition: number; readonly baseOffset: string }[]
  }[]
}

interface Writer {
  readonly producerId: number
  readonly producerEpoch: number
}

/** A broker as the client has it; its types leave this out. */
interface TransactionBroker {
  initProducerId(of: { transactionalId: string; transactionTimeout: number }): Promise<Writer>
  addPartitionsToTxn(of: Writer & { transactionalId: string; topics: readonly Topics[] }): Promise<unknown>
  endTxn(of: Writer & { transactionalId: string; transactionResult: boolean }): Promise<unknown>
}

/** One batch on its way; sent again under the same number the broker knows it, and answers as it did. */
interface Numbered {
  readonly topic: string
  readonly partition: number
  readonly records: readonly Outgoing[]
  readonly firstSequence: number
}

const transactionCoordinator = 1
const sequences = 2 ** 31
const firstWaitMs = 2
const shortWaitMs = 50
const longestWaitMs = 1000
/** Troubles of so long are ridden out. */
const patienceMs = 25_000
const failuresBeforeAnew = 4

/** Opens it and ends what an earlier one with the same id can do. Rejects with errors of the client. */
export const openTransactionLine = async (options: TransactionLineOptions): Promise<TransactionLine> => {
  const { kafka, brokers, transactionalId, transactionTimeout, metadata, isWanted } = options
  const next = new Map<string, number>()
  let opening: Promise<OpenCluster> | undefined
  let coordinator: string | undefined
  let isClosed = false

  const connected = async (): Promise<Cluster> => {
    opening ??= openCluster(kafka, metadata)
    try {
      return (await opening).cluster
    } catch (cause) {
      opening = undefined
      throw cause
    }
  }

  const forgetCluster = async (): Promise<void> => {
    const old = opening
    opening = undefined
    await old?.then((open) => open.close()).catch(() => undefined)
  }

  const coordinatorOf = async (cluster: Cluster): Promise<TransactionBroker> => {
    const question = { groupId: transactionalId, coordinatorType: transactionCoordinator }
    coordinator ??= String((await cluster.findGroupCoordinatorMetadata(question)).coordinator.nodeId)
    return (await cluster.findBroker({ nodeId: coordinator })) as unknown as TransactionBroker
  }

  /** Does it again while what went wrong may pass. Everything here may be done twice: the broker knows what it did. */
  const persistently = async <T>(work: (cluster: Cluster) => Promise<T>): Promise<T> => {
    for (let failures = 0, begun = performance.now(); ; failures++) {
      try {
        return await work(await connected())
      } catch (cause) {
        if (isClosed || !mayPass(cause, brokers) || performance.now() - begun > patienceMs) throw cause
        // The one before has been decided, and is still being written down.
        const isSoonOver = hasSign(cause, 'CONCURRENT_TRANSACTIONS')
        await setTimeout(Math.min(isSoonOver ? shortWaitMs : longestWaitMs, firstWaitMs * 2 ** failures))
        if (!isSoonOver) await recover(cause, failures)
      }
    }
  }

  const recover = async (cause: unknown, failures: number): Promise<void> => {
    coordinator = undefined
    if (failures % failuresBeforeAnew === failuresBeforeAnew - 1) return forgetCluster()
    try {
      const cluster = await connected()
      if (cause instanceof Error && 'host' in cause && 'port' in cause)
        cluster.removeBroker({ host: String(cause.host), port: Number(cause.port) })
      await cluster.refreshMetadata()
    } catch {
      await forgetCluster()
    }
  }

  const numbered = ({ topic, partition }: OutgoingShare, records: readonly Outgoing[]): Numbered => {
    const place = `${topic}/${partition}`
    const firstSequence = next.get(place) ?? 0
    next.set(place, (firstSequence + records.length) % sequences)
    return { topic, partition, records, firstSequence }
  }

  /**
   * One batch of each partition, those of one leader together. Who answered is not asked again; when a leader fails, whatever it
   * was sent goes to those who lead now, which the client's own producer does not do.
   */
  const produce = async (batches: readonly Numbered[], at: EpochMs): Promise<ReadonlyMap<Numbered, number>> => {
    const placed = new Map<Numbered, number>()
    await persistently(async (cluster) => {
      await cluster.addMultipleTargetTopics([...new Set(batches.map(({ topic }) => topic))])
      await cluster.refreshMetadataIfNecessary()
      const missing = batches.filter((batch) => !placed.has(batch))
      const answers = await Promise.allSettled(
        [...Map.groupBy(missing, (batch) => leaderOf(cluster, batch))].map(([leader, of]) =>
          produceTo(cluster, leader, of, at, placed),
        ),
      )
      for (const answer of answers) if (answer.status === 'rejected') throw answer.reason
    })
    return placed
  }

  const produceTo = async (
    cluster: Cluster,
    leader: string,
    batches: readonly Numbered[],
    at: EpochMs,
    placed: Map<Numbered, number>,
  ): Promise<void> => {
    const broker = await cluster.findBroker({ nodeId: leader })
    const timestamp = String(at)
    const topicData = [...Map.groupBy(batches, ({ topic }) => topic)].map(([topic, of]) => ({
      topic,
      partitions: of.map(({ partition, firstSequence, records }) => ({
        partition,
        firstSequence,
        messages: records.map(({ key, value }) => ({ key, value, timestamp })),
      })),
    }))
    const request = { ...writer, transactionalId, acks: -1, timeout: 10_000, topicData }
    const { topics } = (await speaking(broker, producing).produce(request)) as Produced
    for (const { topicName, partitions } of topics)
      for (const { partition, baseOffset } of partitions) {
        const batch = batches.find((each) => each.topic === topicName && each.partition === partition)
        if (batch !== undefined) placed.set(batch, Number(baseOffset))
      }
    const silent = batches.find((batch) => !((placed.get(batch) ?? -1) >= 0))
    if (silent !== undefined)
      throw new Error(`the broker acknowledged records of ${silent.topic} without saying where they stand`)
  }

  /** All at once: one batch of each share in the first round, what is left of the large ones in the next. */
  const send = async (shares: readonly OutgoingShare[], at: EpochMs): Promise<readonly (readonly number[])[]> => {
    const offsets = shares.map((): number[] => [])
    const waiting = shares.map((share) => ({ share, batches: batchesOf(share.records) }))
    for (;;) {
      const round = new Map<number, Numbered>()
      for (const [index, { share, batches }] of waiting.entries()) {
        const { value } = batches.next()
        if (value !== undefined) round.set(index, numbered(share, value))
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
    await forgetCluster()
    throw cause
  })

  return {
    commit: async (shares, at) => {
      const topics = [...Map.groupBy(shares, ({ topic }) => topic)].map(([topic, of]) => ({
        topic,
        partitions: of.map(({ partition }) => partition),
      }))
      const own = { ...writer, transactionalId }
      await persistently(async (cluster) => (await coordinatorOf(cluster)).addPartitionsToTxn({ ...own, topics }))
      const offsets = await send(shares, at)
      await persistently(async (cluster) => (await coordinatorOf(cluster)).endTxn({ ...own, transactionResult: true }))
      return offsets
    },
    close: async () => {
      isClosed = true
      await forgetCluster()
    },
  }
}

const leaderOf = (cluster: Cluster, { topic, partition }: Numbered): string => {
  const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  // The client takes it for a broker that it has not met, and asks for news.
  return leader ?? '-1'
}

/** Whether the same may succeed later. What a broker refuses for good, and defects, do not. */
const mayPass = (cause: unknown, brokers: readonly string[]): boolean => {
  if (asKafkaError(cause, { brokers, deed: 'cannot commit' }).code !== 'LOG_UNAVAILABLE') return false
  if (!(cause instanceof Error) || !cause.name.startsWith('KafkaJS')) return false
  if (hasSign(cause, 'INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED')) return false
  return !(cause.name === 'KafkaJSProtocolError' && 'retriable' in cause && cause.retriable === false)
}
