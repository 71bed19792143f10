import { ConnectorError } from '../errors.ts'
import type { Commit, NewRecord } from './event-log.ts'
import { partitionOf } from './partition-of.ts'

/** Bytes of key and value of one record at most, unless configured: what a broker takes by default. */
const defaultMaxRecordBytes = 1_000_000

/** Bytes of one state value at most. */
const maxStateBytes = 16 * 1024 * 1024

/** Says where a record belongs, and refuses what no log may take: before anything is written. */
export interface Admission {
  /** The slot of a topic's partition. Throws ConnectorError LOG_REFUSED for an unknown one. */
  slotOf(topic: string, partition: number): number
  /** A topic's place in the list. Throws ConnectorError LOG_REFUSED for an unknown one. */
  topicOf(topic: string): number
  /** The slot that a record goes to. Throws ConnectorError LOG_REFUSED. */
  admit(record: NewRecord): number
  /** Throws ConnectorError LOG_REFUSED when a state value is too large. */
  admitState(put: Commit['put']): void
}

export interface AdmissionOptions {
  readonly topics: readonly { readonly name: string }[]
  readonly partitions: number
  readonly maxRecordBytes?: number | undefined
}

/** Admission for these topics; a topic's index is its place in the list. */
export const openAdmission = ({
  topics,
  partitions,
  maxRecordBytes = defaultMaxRecordBytes,
}: AdmissionOptions): Admission => {
  const indexes = new Map(topics.map(({ name }, index) => [name, index]))

  const topicOf = (topic: string): number => {
    const index = indexes.get(topic)
    if (index === undefined) throw refused(`the log has no topic ${topic}: list it where the log is opened`)
    return index
  }

  const slotOf = (topic: string, partition: number): number => {
    const index = topicOf(topic)
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitions)
      throw refused(`topic ${topic} has no partition ${partition}: there are ${partitions}, from 0`)
    return index * partitions + partition
  }

  const isTooLarge = ({ key, value }: NewRecord): boolean =>
    key.length * 3 + value.length > maxRecordBytes && Buffer.byteLength(key) + value.length > maxRecordBytes

  return {
    slotOf,
    topicOf,
    admit: (record) => {
      if (isTooLarge(record))
        throw refused(
          `a record for ${record.topic} has ${record.value.length} bytes, more than the ${maxRecordBytes} that the log takes`,
        )
      return slotOf(record.topic, record.partition ?? partitionOf(record.key, partitions))
    },
    admitState: (put) => {
      for (const [, value] of put)
        if (value !== null && value.length > maxStateBytes)
          throw refused(
            `a state value has ${value.length} bytes, more than the ${maxStateBytes} allowed: keep less per key`,
          )
    },
  }
}

const refused = (text: string): ConnectorError => new ConnectorError('LOG_REFUSED', text)
