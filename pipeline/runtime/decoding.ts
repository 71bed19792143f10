import type { EventLog, LogRecord } from '../../connectors/log/event-log.ts'
import { decode, type Decode, DecodeError, learnSchema, type SchemaName, writersSchemas } from '../../schemas/codec.ts'
import type { Schemas } from '../../schemas/generated.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import { waitUnlessLost } from './wait.ts'

/** A record that could be read, or why not. */
export type Decoded<N extends SchemaName> =
  { readonly record: LogRecord; readonly value: Schemas[N] } | { readonly record: LogRecord; readonly problem: string }

export interface Decoding {
  readonly log: EventLog
  readonly clock: Clock
  readonly tell: Tell
}

const firstWaitMs = 1000
const longestWaitMs = 30_000

/**
 * Reads a turn's records of one topic. Damaged or unmarked ones come back with the reason; one whose schema nobody here
 * knows is looked for in the topic of schemas, and holds its partition until a program that knows it runs. `read`: reads a value;
 * left out: the whole of it.
 */
export const decodeAll = async <N extends SchemaName>(
  name: N,
  records: readonly LogRecord[],
  decoding: Decoding,
  lost: AbortSignal,
  read: Decode<N> = (bytes) => decode(name, bytes),
): Promise<readonly Decoded<N>[]> => {
  const decoded: Decoded<N>[] = []
  for (const record of records) {
    const tried = tryDecode(read, record)
    decoded.push('unknown' in tried ? await decodeOne(read, record, decoding, lost) : tried)
  }
  return decoded
}

const decodeOne = async <N extends SchemaName>(
  read: Decode<N>,
  record: LogRecord,
  decoding: Decoding,
  lost: AbortSignal,
): Promise<Decoded<N>> => {
  for (let tries = 0; ; tries++) {
    const decoded = tryDecode(read, record)
    if (!('unknown' in decoded)) return decoded
    const { topic, partition, offset } = record
    if (tries === 1) decoding.tell({ name: 'schema unknown', topic, partition, offset, fingerprint: decoded.unknown })
    if (tries > 0) await waitUnlessLost(decoding.clock, Math.min(longestWaitMs, firstWaitMs * 2 ** tries), lost)
    await learnAll(decoding.log)
  }
}

const tryDecode = <N extends SchemaName>(
  read: Decode<N>,
  record: LogRecord,
): Decoded<N> | { readonly unknown: string } => {
  try {
    return { record, value: read(record.value) }
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    return cause.code === 'UNKNOWN_SCHEMA' ? { unknown: cause.fingerprint } : { record, problem: cause.message }
  }
}

const schemaRecords = async (log: EventLog): Promise<ReadonlyMap<string, string>> => {
  const found = new Map<string, string>()
  const readOne = async (partition: number): Promise<void> => {
    for await (const batch of log.read({ topic: topics.schemas.name, partition }))
      for (const { key, value } of batch) found.set(key, Buffer.from(value).toString('utf8'))
  }
  await Promise.all(Array.from({ length: log.partitions }, (_, partition) => readOne(partition)))
  return found
}

const learnAll = async (log: EventLog): Promise<void> => {
  for (const text of (await schemaRecords(log)).values()) learnSchema(text)
}

/** Makes this program's schemas known to every other that reads the log, before it writes with them. */
export const publishSchemas = async (log: EventLog): Promise<void> => {
  const known = await schemaRecords(log)
  const fresh = [...writersSchemas()].filter(([fingerprint]) => !known.has(fingerprint))
  if (fresh.length > 0)
    await log.append(
      fresh.map(([key, text]) => ({ topic: topics.schemas.name, key, value: Buffer.from(text, 'utf8') })),
    )
}
