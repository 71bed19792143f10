import kafkajs, { Kafka, logLevel } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import { changelogSettings } from '../../connectors/log/kafka/topic-set.ts'

// Node does not find all names of this CommonJS package by itself.
const { ConfigResourceTypes } = kafkajs
const patienceMs = 150_000

const clientOf = (brokers: readonly string[]): Kafka =>
  new Kafka({ brokers: [...brokers], clientId: 'storm-compaction', logLevel: logLevel.NOTHING, retry: { retries: 30 } })

/** Has brokers compact topics all the time, and keep marks of deletions for so long. Says whether the topics are there. */
export const compactAlways = async (
  brokers: readonly string[],
  topics: readonly string[],
  keepMarksMs: number,
): Promise<boolean> => {
  const admin = clientOf(brokers).admin()
  await admin.connect()
  const present = await admin.listTopics()
  const settings = {
    ...changelogSettings,
    'segment.ms': '1500',
    'min.cleanable.dirty.ratio': '0.001',
    'delete.retention.ms': String(keepMarksMs),
  }
  const arePresent = topics.every((topic) => present.includes(topic))
  const request = {
    validateOnly: false,
    resources: topics.map((name) => ({
      type: ConfigResourceTypes.TOPIC,
      name,
      configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
    })),
  }
  if (arePresent) await admin.alterConfigs(request)
  await admin.disconnect()
  return arePresent
}

/** What brokers still keep of topics. */
export interface Kept {
  readonly records: number
  readonly deletions: number
  /** All that was ever written, with the marks of transactions. */
  readonly written: number
}

export const keptOf = async (brokers: readonly string[], topics: readonly string[]): Promise<Kept> => {
  const kafka = clientOf(brokers)
  const admin = kafka.admin()
  await admin.connect()
  const ends = new Map<string, number>()
  for (const topic of topics)
    for (const { partition, high } of await admin.fetchTopicOffsets(topic))
      ends.set(`${topic}/${partition}`, Number(high))
  await admin.disconnect()
  const written = [...ends.values()].reduce((a, b) => a + b, 0)
  const consumer = kafka.consumer({ groupId: `compaction-${Date.now()}`, maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  let [records, deletions, heard] = [0, 0, performance.now()]
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { messages } }) => {
      heard = performance.now()
      records += messages.length
      deletions += messages.filter(({ value }) => value === null).length
    },
  })
  while (performance.now() - heard < 3000) await setTimeout(100)
  await consumer.disconnect()
  return { records, deletions, written }
}

/** Waits until brokers have removed deletions from topics, as far as they do by themselves. */
export const compacted = async (
  brokers: readonly string[],
  topics: readonly string[],
  before: Kept,
  write: () => Promise<unknown>,
): Promise<Kept> => {
  for (const begun = performance.now(); ; await setTimeout(2000)) {
    // Only what lies before the segment that is written is compacted.
    await write()
    const now = await keptOf(brokers, topics)
    const isDone = now.deletions < before.deletions / 10 && now.records < before.written / 2
    if (isDone || performance.now() - begun > patienceMs) return now
  }
}
