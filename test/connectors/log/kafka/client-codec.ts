import { createRequire } from 'node:module'

/** A record as the client's own reader gives it. */
export interface ClientRecord {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
}

interface ClientMessage {
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly offsetDelta: number
  readonly timestampDelta: number
  readonly headers?: Readonly<Record<string, string>>
}

interface ClientBatch {
  readonly compression: number
  readonly firstOffset: bigint
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly lastOffsetDelta: number
  readonly producerId: bigint
  readonly transactional: boolean
  readonly records: readonly unknown[]
}

const inside = createRequire(import.meta.url)
const protocol = (path: string): unknown => inside(`kafkajs/src/protocol/${path}`)

const clientRecord = protocol('recordBatch/record/v0') as (message: ClientMessage) => unknown
const { RecordBatch } = protocol('recordBatch/v0') as {
  RecordBatch: (batch: ClientBatch) => Promise<{ readonly buffer: Buffer }>
}
const ClientDecoder = protocol('decoder') as new (bytes: Buffer) => object
const decodeBatch = protocol('recordBatch/v0/decoder') as (
  decoder: object,
) => Promise<{ readonly firstSequence: number; readonly inTransaction: boolean; readonly records: ClientRecord[] }>

/** A checksum as the client has it. */
export const clientCrc = protocol('recordBatch/crc32C') as (bytes: Buffer) => number

/** A batch as the client writes it. */
export const clientBatch = async (
  batch: Omit<ClientBatch, 'records'>,
  messages: readonly ClientMessage[],
): Promise<Buffer> => (await RecordBatch({ ...batch, records: messages.map(clientRecord) })).buffer

/** A batch as the client reads it. */
export const readByClient = (bytes: Buffer): ReturnType<typeof decodeBatch> => decodeBatch(new ClientDecoder(bytes))
