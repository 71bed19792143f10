import { crc32c } from './crc32c.ts'
import type { OwnProtocol } from './broker-protocol.ts'

/** What the client is given to send: batches, those of one topic together. */
export interface ProduceTerms {
  /** null: outside of transactions. */
  readonly transactionalId: string | null
  readonly producerId: number
  readonly producerEpoch: number
  readonly acks: number
  readonly timeout: number
  readonly topicData: readonly {
    readonly topic: string
    readonly partitions: readonly PartitionBatch[]
  }[]
}

interface PartitionBatch {
  readonly partition: number
  readonly firstSequence: number
  readonly messages: readonly BatchMessage[]
}

/** All of a batch have one timestamp. */
interface BatchMessage {
  readonly key: Buffer
  readonly value: Buffer | null
  readonly timestamp: string
}

type Writer = Pick<ProduceTerms, 'producerId' | 'producerEpoch' | 'transactionalId'>

/**
 * Batches are written in one go: the client takes a buffer for each record, and several for each batch. Of an answer it tells the first
 * error only; here it is told what came of each partition.
 */
export const producing: OwnProtocol<ProduceTerms> = {
  key: 0,
  version: 7,
  encode: (terms) => encodeProduce(terms),
  parse: (answer) => answer,
}

const magic = 2
const transactionalBit = 0x10
const headBytes = 61
/** Attributes of a record, and what its time differs by from the batch's: nothing. */
const plainBytes = 2
const noHeadersBytes = 1

/** Bytes of a number as Kafka writes small ones. */
const varintBytes = (value: number): number => {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
  let bytes = 1
  while (zigzag >= 0x80) {
    zigzag >>>= 7
    bytes++
  }
  return bytes
}

const fieldBytes = (bytes: Buffer | null): number =>
  bytes === null ? varintBytes(-1) : varintBytes(bytes.length) + bytes.length

const bodyBytes = ({ key, value }: BatchMessage, index: number): number =>
  plainBytes + varintBytes(index) + fieldBytes(key) + fieldBytes(value) + noHeadersBytes

const batchBytes = ({ messages }: PartitionBatch): number => {
  let bytes = headBytes
  for (const [index, message] of messages.entries()) {
    const body = bodyBytes(message, index)
    bytes += varintBytes(body) + body
  }
  return bytes
}

const textBytes = (text: string | null): number => 2 + Buffer.byteLength(text ?? '')

export const encodeProduce = (terms: ProduceTerms): Buffer => {
  const { transactionalId, acks, timeout, topicData } = terms
  const sizes = new Map<PartitionBatch, number>()
  let total = textBytes(transactionalId) + 2 + 4 + 4
  for (const { topic, partitions } of topicData) {
    total += textBytes(topic) + 4
    for (const batch of partitions) {
      const size = batchBytes(batch)
      sizes.set(batch, size)
      total += 4 + 4 + size
    }
  }
  const out = Buffer.allocUnsafe(total)
  let at = 0
  const int16 = (value: number): void => void (at = out.writeInt16BE(value, at))
  const int32 = (value: number): void => void (at = out.writeInt32BE(value, at))
  const text = (value: string | null): void => {
    int16(value === null ? -1 : Buffer.byteLength(value))
    at += out.write(value ?? '', at)
  }
  text(transactionalId)
  int16(acks)
  int32(timeout)
  int32(topicData.length)
  for (const { topic, partitions } of topicData) {
    text(topic)
    int32(partitions.length)
    for (const batch of partitions) {
      const size = sizes.get(batch) as number
      int32(batch.partition)
      int32(size)
      writeBatch(out.subarray(at, at + size), batch, terms)
      at += size
    }
  }
  return out
}

const writeBatch = (out: Buffer, { firstSequence, messages }: PartitionBatch, writer: Writer): void => {
  const timestamp = BigInt(messages[0]?.timestamp ?? 0)
  out.fill(0, 0, 8)
  out.writeInt32BE(out.length - 12, 8)
  out.writeInt32BE(-1, 12) // The leader's epoch, which the broker fills in.
  out.writeInt8(magic, 16)
  out.writeInt16BE(writer.transactionalId === null ? 0 : transactionalBit, 21)
  out.writeInt32BE(messages.length - 1, 23)
  out.writeBigInt64BE(timestamp, 27)
  out.writeBigInt64BE(timestamp, 35)
  out.writeBigInt64BE(BigInt(writer.producerId), 43)
  out.writeInt16BE(writer.producerEpoch, 51)
  out.writeInt32BE(firstSequence, 53)
  out.writeInt32BE(messages.length, 57)
  writeRecords(out, headBytes, messages)
  out.writeUInt32BE(crc32c(out, 21, out.length), 17)
}

const writeRecords = (out: Buffer, from: number, messages: readonly BatchMessage[]): void => {
  let at = from
  const varint = (value: number): void => {
    let zigzag = ((value << 1) ^ (value >> 31)) >>> 0
    for (; zigzag >= 0x80; zigzag >>>= 7) out[at++] = (zigzag & 0x7f) | 0x80
    out[at++] = zigzag
  }
  const field = (bytes: Buffer | null): void => {
    varint(bytes?.length ?? -1)
    if (bytes !== null) at += bytes.copy(out, at)
  }
  for (const [index, message] of messages.entries()) {
    varint(bodyBytes(message, index))
    out[at++] = 0
    out[at++] = 0
    varint(index)
    field(message.key)
    field(message.value)
    out[at++] = 0
  }
}
