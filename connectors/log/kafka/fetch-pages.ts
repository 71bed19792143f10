import type { Broker } from 'kafkajs'
import type { EpochMs } from '../../../schemas/time.ts'

const partitionBytes = 1_048_576
const fetchBytes = 8 * partitionBytes
const readCommitted = 1

/** A record as the broker keeps it. */
export interface StoredRecord {
  readonly offset: number
  readonly timestamp: EpochMs
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** What a fetch from an offset brought: committed records in order, and the offset to go on from. */
export interface FetchedPage {
  readonly records: readonly StoredRecord[]
  readonly next: number
}

/** From which offset a partition is read. */
export interface Asked {
  readonly topic: string
  readonly partition: number
  readonly from: number
}

interface RawRecord {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly isControlRecord?: boolean
  readonly batchContext?: {
    readonly firstOffset: string
    readonly lastOffsetDelta: number
    readonly producerId: string
    readonly inTransaction: boolean
  }
}

/** A partition's part of a fetch, as the client decodes it. */
export interface RawPartition {
  readonly partition: number
  readonly lastStableOffset: string
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[] | null
  readonly messages: readonly RawRecord[]
}

interface RawFetch {
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly RawPartition[] }[]
}

/** One fetch from a broker that leads all these partitions; waits for so long for something to come, ms. */
export const fetchFrom = async (
  broker: Broker,
  asked: readonly Asked[],
  maxWaitTime: number,
): Promise<readonly (RawPartition & { readonly topic: string })[]> => {
  const topics = [...Map.groupBy(asked, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ partition, from }) => ({ partition, fetchOffset: String(from), maxBytes: partitionBytes })),
  }))
  const request = { isolationLevel: readCommitted, maxWaitTime, minBytes: 1, maxBytes: fetchBytes, topics, rackId: '' }
  const { responses } = (await broker.fetch(request)) as RawFetch
  return responses.flatMap(({ topicName, partitions }) => partitions.map((each) => ({ ...each, topic: topicName })))
}

const abortMarker = Buffer.from([0, 0, 0, 0])

/**
 * The committed records from an offset on. The library's own filter takes one aborted transaction per record, in the order in
 * which they ended: with several at once it shows records that were never committed.
 */
export const pageOf = ({ messages, abortedTransactions }: RawPartition, from: number): FetchedPage => {
  const aborted = [...(abortedTransactions ?? [])]
    .map(({ producerId, firstOffset }) => ({ producerId, first: Number(firstOffset) }))
    .sort((a, b) => a.first - b.first)
  const aborting = new Set<string>()
  const records: StoredRecord[] = []
  let at = 0
  let next = from
  for (const { offset: text, timestamp, key, value, isControlRecord, batchContext } of messages) {
    const offset = Number(text)
    for (; at < aborted.length && (aborted[at]?.first ?? Infinity) <= offset; at++)
      aborting.add(aborted[at]?.producerId ?? '')
    const last = batchContext === undefined ? offset : Number(batchContext.firstOffset) + batchContext.lastOffsetDelta
    next = Math.max(next, last + 1)
    if (isControlRecord === true) {
      if (batchContext !== undefined && key?.equals(abortMarker) === true) aborting.delete(batchContext.producerId)
      continue
    }
    const isAborted = batchContext?.inTransaction === true && aborting.has(batchContext.producerId)
    if (offset >= from && !isAborted) records.push({ offset, timestamp: Number(timestamp), key, value })
  }
  return { records, next }
}
