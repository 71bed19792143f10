import type { Bound, EventLog, LogRecord } from '../../connectors/log/event-log.ts'
import { decode, DecodeError, type SchemaName } from '../../schemas/codec.ts'
import type { Schemas } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** A record of the log, read. */
export interface Read<T> {
  readonly record: LogRecord
  readonly value: T
}

/** The record at an offset; undefined: none stands there, or no longer. */
export const recordAt = async (
  log: EventLog,
  topic: string,
  partition: number,
  offset: number,
): Promise<LogRecord | undefined> => {
  if (partition < 0 || partition >= log.partitions) return undefined
  for await (const [record] of log.read({ topic, partition, from: { offset }, to: { offset: offset + 1 } }))
    return record
  return undefined
}

/** The value of a record; undefined: it cannot be read. */
export const valueOf = <N extends SchemaName>(name: N, record: LogRecord): Schemas[N] | undefined => {
  try {
    return decode(name, record.value)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}

export const readAt = async <N extends SchemaName>(
  log: EventLog,
  name: N,
  { topic, partition, offset }: { readonly topic: string; readonly partition: number; readonly offset: number },
): Promise<Read<Schemas[N]> | undefined> => {
  const record = await recordAt(log, topic, partition, offset)
  const value = record === undefined ? undefined : valueOf(name, record)
  return record === undefined || value === undefined ? undefined : { record, value }
}

export interface Span {
  readonly topic: string
  readonly partition: number
  readonly from: Bound
  readonly to?: Bound
}

/** The records of a span that `wanted` takes, read. */
export async function* recordsIn<N extends SchemaName>(
  log: EventLog,
  name: N,
  span: Span,
  wanted: (record: LogRecord) => boolean,
): AsyncGenerator<Read<Schemas[N]>> {
  for await (const records of log.read(span))
    for (const record of records) {
      const value = wanted(record) ? valueOf(name, record) : undefined
      if (value !== undefined) yield { record, value }
    }
}

/** What was committed together bears one time, or on a broker nearly. */
const togetherMs = 1000

/** The span of what was committed together with a record of that time. */
export const besides = (topic: string, partition: number, timestamp: EpochMs): Span => ({
  topic,
  partition,
  from: { timestamp },
  to: { timestamp: timestamp + togetherMs },
})
