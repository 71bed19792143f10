import type { Cluster } from 'kafkajs'
import { createRequire } from 'node:module'
import type { EpochMs } from '../../../schemas/time.ts'
import { speaking } from './broker-protocol.ts'
import { producing } from './produce-request.ts'
import type { Outgoing } from './record-batches.ts'

/** One batch on its way; sent again under the same number the broker knows it, and answers as it did. */
export interface NumberedBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly Outgoing[]
  readonly firstSequence: number
}

/** Who writes. */
export interface BatchWriter {
  readonly producerId: number
  readonly producerEpoch: number
  /** null: outside of transactions. */
  readonly transactionalId: string | null
}

/** Numbers the batches of a writer, each partition's by itself. */
export const openNumbering = (): ((batch: Omit<NumberedBatch, 'firstSequence'>) => NumberedBatch) => {
  const next = new Map<string, number>()
  return (batch) => {
    const place = `${batch.topic}/${batch.partition}`
    const firstSequence = next.get(place) ?? 0
    next.set(place, (firstSequence + batch.records.length) % sequences)
    return { ...batch, firstSequence }
  }
}

const sequences = 2 ** 31

interface Produced {
  readonly topics: readonly {
    readonly topicName: string
    readonly partitions: readonly {
      readonly partition: number
      readonly errorCode?: number
      readonly baseOffset: string
    }[]
  }[]
}

/** What came of a batch: its first offset, or an error of the client. */
export type BatchResult = number | Error

/**
 * Sends batches, each of another partition, in one request to each leader, and tells what came of each of them as soon as it is known.
 * Batches of one writer and partition go one after the other; one without an offset is sent again as it is, to whoever leads its
 * partition then, or its writer is given up. Rejects when nothing is known of the brokers.
 */
export const sendBatches = async (
  cluster: Cluster,
  { batches, writer, at }: { batches: readonly NumberedBatch[]; writer: BatchWriter; at: EpochMs },
  tell: (batch: NumberedBatch, result: BatchResult) => void,
): Promise<void> => {
  const known = await knownBatches(cluster, batches, tell)
  await cluster.refreshMetadataIfNecessary()
  await Promise.all(
    [...Map.groupBy(known, (batch) => leaderOf(cluster, batch))].map(async ([leader, of]) => {
      try {
        const resultOf = await sendTo(cluster, leader, { batches: of, writer, at })
        for (const batch of of) tell(batch, resultOf(batch))
      } catch (cause) {
        for (const batch of of) tell(batch, cause as Error)
      }
    }),
  )
}

/** Batches of topics that the brokers know. */
const knownBatches = async (
  cluster: Cluster,
  batches: readonly NumberedBatch[],
  tell: (batch: NumberedBatch, result: BatchResult) => void,
): Promise<readonly NumberedBatch[]> => {
  const byTopic = Map.groupBy(batches, ({ topic }) => topic)
  try {
    await cluster.addMultipleTargetTopics([...byTopic.keys()])
    return batches
  } catch (cause) {
    if (byTopic.size === 1) throw cause
  }
  const known: NumberedBatch[] = []
  // One that is gone must not hold up the others.
  for (const [topic, of] of byTopic)
    try {
      await cluster.addMultipleTargetTopics([topic])
      known.push(...of)
    } catch (cause) {
      for (const batch of of) tell(batch, cause as Error)
    }
  return known
}

const sendTo = async (
  cluster: Cluster,
  leader: string,
  { batches, writer, at }: { batches: readonly NumberedBatch[]; writer: BatchWriter; at: EpochMs },
): Promise<(batch: NumberedBatch) => BatchResult> => {
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
  // The client's types know no writer outside of transactions here.
  const request = { ...writer, acks: -1, timeout: 10_000, topicData } as unknown as Parameters<typeof broker.produce>[0]
  const { topics } = (await speaking(broker, producing).produce(request)) as unknown as Produced
  return ({ topic, partition }) => {
    const answers = topics.find(({ topicName }) => topicName === topic)?.partitions
    const answer = answers?.find((each) => each.partition === partition)
    if (answer?.errorCode !== undefined && answer.errorCode !== 0) return errorOf(answer.errorCode)
    const offset = Number(answer?.baseOffset ?? -1)
    if (offset >= 0) return offset
    return new Error(`the broker acknowledged records of ${topic} without saying where they stand`)
  }
}

const leaderOf = (cluster: Cluster, { topic, partition }: NumberedBatch): string => {
  const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  // The client takes it for a broker that it has not met, and asks for news.
  return leader ?? '-1'
}

const { createErrorFromCode: errorOf } = createRequire(import.meta.url)('kafkajs/src/protocol/error') as {
  createErrorFromCode(code: number): Error
}
