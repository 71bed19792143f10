import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { EpochMs } from '../../../schemas/time.ts'

/** A record as the broker keeps it. */
export interface StoredRecord {
  readonly offset: number
  readonly timestamp: EpochMs
  readonly key: Buffer | null
  readonly value: Buffer | null
}

/** Records as they were written together. */
export interface StoredBatch {
  readonly firstOffset: number
  /** Also of a batch whose last records compaction has removed. */
  readonly lastOffset: number
  readonly producerId: number
  readonly isTransactional: boolean
  /** It holds no records, but says how a transaction ended. */
  readonly isControl: boolean
  /** Throws when it is damaged, or compressed in a way that cannot be read. */
  records(): readonly StoredRecord[]
}

/** Where the parts of a batch stand, in bytes from its beginning. */
const at = { length: 8, magic: 16, attributes: 21, lastDelta: 23, firstTime: 27, lastTime: 35, producer: 43, count: 57 }
const headBytes = 61
/** What stands before the bytes that a batch's length counts. */
const frameBytes = 12
const currentMagic = 2
const compressionBits = 0x07
const appendTimeBit = 0x08
const transactionalBit = 0x10
const controlBit = 0x20

const unpackers: ReadonlyMap<number, (bytes: Buffer) => Buffer> = new Map([
  [0, (bytes) => bytes],
  [1, (bytes) => gunzipSync(bytes)],
  [4, (bytes) => zstdDecompressSync(bytes)],
])

const unpacked = (bytes: Buffer, compression: number): Buffer => {
  const unpack = unpackers.get(compression)
  if (unpack !== undefined) return unpack(bytes)
  throw Object.assign(new Error(`compression ${compression} cannot be read`), { code: 'UNSUPPORTED_COMPRESSION_TYPE' })
}

const int64 = (bytes: Buffer, from: number): number => bytes.readInt32BE(from) * 2 ** 32 + bytes.readUInt32BE(from + 4)

/** The batches that are whole in these bytes, in order: a broker cuts the last one off where its answer is full. */
export function* batchesIn(bytes: Buffer): Generator<StoredBatch, undefined> {
  for (let begin = 0; bytes.length - begin >= headBytes;) {
    const end = begin + frameBytes + bytes.readInt32BE(begin + at.length)
    if (end > bytes.length) return undefined
    yield batchOf(bytes.subarray(begin, end))
    begin = end
  }
  return undefined
}

const batchOf = (bytes: Buffer): StoredBatch => {
  if (bytes.length < headBytes || bytes[at.magic] !== currentMagic)
    throw new Error('a batch of records is damaged, or as Kafka wrote them before version 0.11')
  const attributes = bytes.readInt16BE(at.attributes)
  const firstOffset = int64(bytes, 0)
  return {
    firstOffset,
    lastOffset: firstOffset + bytes.readInt32BE(at.lastDelta),
    producerId: int64(bytes, at.producer),
    isTransactional: (attributes & transactionalBit) !== 0,
    isControl: (attributes & controlBit) !== 0,
    records: () => recordsOf(bytes, firstOffset, attributes),
  }
}

const recordsOf = (batch: Buffer, firstOffset: number, attributes: number): readonly StoredRecord[] => {
  const count = batch.readInt32BE(at.count)
  const bytes = unpacked(batch.subarray(headBytes), attributes & compressionBits)
  const firstTime = int64(batch, at.firstTime)
  const appendTime = (attributes & appendTimeBit) === 0 ? undefined : int64(batch, at.lastTime)
  const records: StoredRecord[] = []
  let next = 0

  /** Past the end it yields 0, and moves on: the end of the record does not fit then. */
  const varint = (): number => {
    let byte = bytes[next++] ?? 0
    let value = byte & 0x7f
    for (let scale = 0x80; byte >= 0x80; scale *= 0x80) {
      byte = bytes[next++] ?? 0
      value += (byte & 0x7f) * scale
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  const field = (): Buffer | null => {
    const length = varint()
    if (length < 0) return null
    return bytes.subarray(next, (next += length))
  }

  for (let index = 0; index < count; index++) {
    const end = varint() + next
    // Attributes of a record mean nothing yet.
    next++
    const timestamp = appendTime ?? firstTime + varint()
    if (appendTime !== undefined) varint()
    const offset = firstOffset + varint()
    const key = field()
    const value = field()
    // Headers, which the log does not use, are passed over.
    if (!(next <= end && end <= bytes.length)) throw new Error(`record ${offset} is damaged`)
    next = end
    records.push({ offset, timestamp, key, value })
  }
  return records
}
