import type { Message, ProducerRecord, RecordMetadata } from 'kafkajs'

/** A record on its way to one partition. */
export interface Outgoing {
  readonly key: Buffer
  readonly value: Buffer | null
}

/** A batch is what a broker measures against the size that it takes. */
const batchBytes = 900_000
const recordOverhead = 80

/** Sends records to one partition, in order, each batch after the answer to the one before. Answers with their offsets. */
export const sendInOrder = async (
  send: (record: ProducerRecord) => Promise<RecordMetadata[]>,
  topic: string,
  partition: number,
  records: readonly Outgoing[],
  timestamp: number,
): Promise<readonly number[]> => {
  const offsets: number[] = []
  for (const batch of batchesOf(records)) {
    const messages = batch.map(({ key, value }): Message => ({ key, value, partition, timestamp: String(timestamp) }))
    // All in-sync replicas, one partition a request: the client loses acknowledged records of requests over several.
    const [answer] = await send({ topic, messages, acks: -1, timeout: 10_000 })
    const base = Number(answer?.baseOffset ?? answer?.offset ?? NaN)
    if (!(base >= 0)) throw new Error(`the broker acknowledged records of ${topic} without saying where they stand`)
    for (let index = 0; index < batch.length; index++) offsets.push(base + index)
  }
  return offsets
}

/** Records in batches that a broker takes; a record that is too large by itself is a batch of its own. */
export function* batchesOf(records: readonly Outgoing[]): Generator<readonly Outgoing[], undefined> {
  let batch: Outgoing[] = []
  let bytes = 0
  for (const record of records) {
    const size = record.key.length + (record.value?.length ?? 0) + recordOverhead
    if (batch.length > 0 && bytes + size > batchBytes) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(record)
    bytes += size
  }
  if (batch.length > 0) yield batch
  return undefined
}
