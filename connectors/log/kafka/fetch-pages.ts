import type { Broker } from 'kafkajs'
import { type OwnProtocol, speaking } from './broker-protocol.ts'
import { batchesIn, type StoredBatch, type StoredRecord } from './stored-batches.ts'

const partitionBytes = 1_048_576
const fetchBytes = 8 * partitionBytes
const readCommitted = 1

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

/** For how much a broker waits before it answers, and how long at most, ms. */
export interface Patience {
  readonly minBytes: number
  readonly maxWaitTime: number
}

/** A partition's part of an answer. */
export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly lastStableOffset: number
  readonly aborted: readonly { readonly producerId: number; readonly firstOffset: number }[]
  /** Batches of records, the last one perhaps cut off. */
  readonly batches: Buffer
}

interface FetchAnswer {
  readonly clientSideThrottleTime: number
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly FetchedPartition[] }[]
}

/** A broker as the client has it; its types leave this out. */
interface AskedBroker {
  fetch(request: unknown): Promise<FetchAnswer>
}

const decodeAnswer = (answer: Buffer): FetchAnswer => {
  let at = 0
  const int16 = (): number => answer.readInt16BE((at += 2) - 2)
  const int32 = (): number => answer.readInt32BE((at += 4) - 4)
  const int64 = (): number => int32() * 2 ** 32 + answer.readUInt32BE((at += 4) - 4)
  const text = (): string => {
    const length = int16()
    return answer.toString('utf8', at, (at += length))
  }
  const list = <T>(item: () => T): readonly T[] => Array.from({ length: Math.max(0, int32()) }, item)
  const partitionOf = (topic: string): FetchedPartition => {
    const partition = int32()
    const errorCode = int16()
    at += 8 // The high watermark.
    const lastStableOffset = int64()
    at += 8 // The first offset that is kept.
    const aborted = list(() => ({ producerId: int64(), firstOffset: int64() }))
    at += 4 // The replica to be preferred.
    const length = Math.max(0, int32())
    return { topic, partition, errorCode, lastStableOffset, aborted, batches: answer.subarray(at, (at += length)) }
  }
  const clientSideThrottleTime = int32()
  at += 6 // An error of the whole, and a session: there is none.
  const responses = list(() => {
    const topicName = text()
    return { topicName, partitions: list(() => partitionOf(topicName)) }
  })
  return { clientSideThrottleTime, responses }
}

/** Records are not taken apart before somebody asks for them, and then plainly. */
export const fetching: OwnProtocol<unknown> = { key: 1, version: 11, decode: decodeAnswer }

/** One fetch from a broker that leads all these partitions. Rejects with errors of the client. */
export const fetchFrom = async (
  broker: Broker,
  asked: readonly Asked[],
  patience: Patience,
): Promise<readonly FetchedPartition[]> => {
  const topics = [...Map.groupBy(asked, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ partition, from }) => ({ partition, fetchOffset: String(from), maxBytes: partitionBytes })),
  }))
  const request = { isolationLevel: readCommitted, ...patience, maxBytes: fetchBytes, topics, rackId: '' }
  const { responses } = await (speaking(broker, fetching) as unknown as AskedBroker).fetch(request)
  return responses.flatMap(({ partitions }) => partitions)
}

const abortMarker = Buffer.from([0, 0, 0, 0])
const isAbortMarker = (batch: StoredBatch): boolean => batch.records()[0]?.key?.equals(abortMarker) === true

/** The committed records from an offset on. Throws when what stands there cannot be read. */
export const pageOf = ({ batches, aborted }: FetchedPartition, from: number): FetchedPage => {
  const beginnings = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<number>()
  const records: StoredRecord[] = []
  let begun = 0
  let next = from
  for (const batch of batchesIn(batches)) {
    for (; (beginnings[begun]?.firstOffset ?? Infinity) <= batch.lastOffset; begun++)
      aborting.add(beginnings[begun]?.producerId ?? -1)
    next = Math.max(next, batch.lastOffset + 1)
    if (batch.isControl) {
      if (isAbortMarker(batch)) aborting.delete(batch.producerId)
    } else if (!batch.isTransactional || !aborting.has(batch.producerId))
      for (const record of batch.records()) if (record.offset >= from) records.push(record)
  }
  return { records, next }
}
