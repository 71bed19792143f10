import { randomUUID } from 'node:crypto'
import type { EventLog, LogRecord } from '../../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../../connectors/log/kafka-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import type { Topic } from '../../../schemas/topics.ts'
import { allTopics } from '../../../schemas/topics.ts'

export const benchPartitions = 12

/** A log of its own on a broker, with names that nobody else has. */
export const newPrefix = (): string => `bench-${randomUUID().slice(0, 8)}.`

export const openBenchLog = (brokers: readonly string[], prefix: string, stateDir: string): Promise<EventLog> =>
  openKafkaLog({
    brokers,
    prefix,
    stateDir,
    partitions: benchPartitions,
    topics: allTopics,
    clientId: 'bench',
    clock: systemClock(),
    tell: () => undefined,
  })

/** Everything that a topic holds. */
export const recordsOf = async (log: EventLog, { name }: Topic): Promise<readonly LogRecord[]> => {
  const records: LogRecord[] = []
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const page of log.read({ topic: name, partition })) records.push(...page)
  return records
}

/** Counts a topic's records as they come. */
export const counterOf = (log: EventLog, { name }: Topic): (() => Promise<number>) => {
  const next = Array.from({ length: log.partitions }, () => 0)
  let count = 0
  return async () => {
    for (let partition = 0; partition < log.partitions; partition++)
      for await (const page of log.read({ topic: name, partition, from: { offset: next[partition] ?? 0 } })) {
        count += page.length
        next[partition] = (page.at(-1)?.offset ?? -1) + 1
      }
    return count
  }
}
