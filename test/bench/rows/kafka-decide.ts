import { setTimeout } from 'node:timers/promises'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { EventLog, LogRecord } from '../../../connectors/log/event-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { startService, type StageName } from '../../../pipeline/service.ts'
import { topics } from '../../../schemas/topics.ts'
import { fiveMonitors } from '../configuration.ts'
import { type FlowWorld, makeFlowWorld } from '../flow-world.ts'
import { type Figure, paired } from '../measure.ts'
import { kafkaBytesReference } from '../references.ts'
import { rawRecord } from '../raw-record.ts'
import { inTemporaryDir } from '../temporary-dir.ts'
import { benchPartitions, counterOf, newPrefix, openBenchLog, recordsOf } from './kafka-place.ts'

const lookEveryMs = 500
const eventCount = 40_000
const fedTogether = 2000
/** What is measured begins after so many events: joining is not measured. */
const leadIn = 4000
/** A batch larger than 1 MiB is refused. */
const batchBytes = 900_000
const mostTogether = 500

/** Feeds a log and lets stages work until as many outcomes as events are there. */
const runStages = async (log: EventLog, stages: readonly StageName[], { velociraptor }: FlowWorld): Promise<void> => {
  const world = {
    log,
    velociraptor,
    channels: new Map(),
    clock: systemClock(),
    random: Math.random,
    tell: () => undefined,
  }
  const service = await startService(world, { configuration: fiveMonitors(), stages, since: null })
  const last = stages.includes('decide') ? topics.outcomes : topics.flowEvents
  const counted = counterOf(log, last)
  const done = async (): Promise<void> => {
    while ((await counted()) < eventCount) await setTimeout(lookEveryMs)
  }
  await Promise.race([done(), service.failed])
  await service.stop()
}

/** By the records' own times: from the end of the lead-in to the last one. */
const rateOf = (records: readonly LogRecord[]): number => {
  const times = records.map(({ timestamp }) => timestamp).toSorted((a, b) => a - b)
  const begun = times[leadIn] ?? 0
  return ((times.length - leadIn) * 1000) / ((times.at(-1) ?? 0) - begun)
}

interface Written {
  readonly records: readonly LogRecord[]
  readonly perEvent: number
}

/** A consumer and a producer of the client, nothing else: what decide reads comes in, what decide wrote goes out. */
const bareLoop = async (
  brokers: readonly string[],
  prefix: string,
  { records, perEvent }: Written,
): Promise<number> => {
  const kafka = new Kafka({
    brokers: [...brokers],
    clientId: 'bare',
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 20, retries: 30 },
  })
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  const consumer = kafka.consumer({ groupId: `${prefix}bare`, maxWaitTimeInMs: 100 })
  await producer.connect()
  await consumer.connect()
  await consumer.subscribe({ topics: [prefix + topics.flowEvents.name], fromBeginning: true })
  const values = records.map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value) }))
  const bytesPerEvent = values.reduce((sum, { key, value }) => sum + key.length + value.length + 80, 0) / eventCount
  const together = Math.min(mostTogether, Math.floor(batchBytes / bytesPerEvent / 1.5))
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let [seen, sent, begun, first] = [0, 0, 0, 0]
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { messages, partition } }) => {
      try {
        for (let at = 0; at < messages.length; at += together) {
          const some = Math.min(together, messages.length - at)
          const upTo = Math.round((seen + some) * perEvent)
          const out = values.slice(sent, upTo).map((value) => ({ ...value, partition }))
          sent = upTo
          if (out.length > 0) await producer.send({ topic: prefix + topics.outcomes.name, messages: out, acks: -1 })
          seen += some
          if (begun === 0 && seen >= leadIn) [begun, first] = [performance.now(), seen]
          if (seen === eventCount) resolve(((seen - first) * 1000) / (performance.now() - begun))
        }
      } catch (cause) {
        reject(cause)
      }
    },
  })
  try {
    return await promise
  } finally {
    await consumer.disconnect()
    await producer.disconnect()
  }
}

/** How fast decide works off what lies in the log, against a bare loop that reads and writes the same bytes. */
export const measureDecide = (brokers: readonly string[]): Promise<readonly Figure[]> =>
  inTemporaryDir(async (dir) => {
    const world = makeFlowWorld(eventCount)
    const source = newPrefix()
    const log = await openBenchLog(brokers, source, `${dir}/source`)
    for (let at = 0; at < eventCount; at += fedTogether)
      await log.append(world.events.slice(at, at + fedTogether).map(rawRecord))
    await runStages(log, ['enrich'], world)
    const events = await recordsOf(log, topics.flowEvents)
    await log.close()
    let written: Written = { records: [], perEvent: 0 }
    const fed = async (): Promise<{ prefix: string; log: EventLog }> => {
      const prefix = newPrefix()
      const own = await openBenchLog(brokers, prefix, `${dir}/${prefix}`)
      for (let at = 0; at < events.length; at += fedTogether)
        await own.append(
          events
            .slice(at, at + fedTogether)
            .map(({ key, value, partition }) => ({ topic: topics.flowEvents.name, key, value, partition })),
        )
      return { prefix, log: own }
    }
    const decide = async (): Promise<number> => {
      const { log: own } = await fed()
      await runStages(own, ['decide'], world)
      const outcomes = await recordsOf(own, topics.outcomes)
      const records = [...outcomes, ...(await recordsOf(own, topics.notices))]
      written = { records, perEvent: records.length / eventCount }
      await own.close()
      return rateOf(outcomes)
    }
    const bare = async (): Promise<number> => {
      const { prefix, log: own } = await fed()
      await own.close()
      return bareLoop(brokers, prefix, written)
    }
    const measured = await paired(decide, bare)
    const bytesIn = events.reduce((sum, { value }) => sum + value.length, 0) / eventCount
    const bytesOut = written.records.reduce((sum, { value }) => sum + value.length, 0) / eventCount
    return [
      {
        name: 'kafka: decide',
        ...measured,
        unit: 'events/s',
        bar: { ratio: 0.5 },
        // The loop's records are larger than the reference's: compared by bytes.
        reference: { ...kafkaBytesReference, value: kafkaBytesReference.value / ((bytesIn + bytesOut) / 2) },
        note:
          `5 monitors over ${eventCount} events that lie in ${benchPartitions} partitions, in transactions with changelog, against a kafkajs ` +
          `consumer and producer alone; an event is ${Math.round(bytesIn)} B in and ${Math.round(bytesOut)} B out in ${written.perEvent.toFixed(2)} records`,
      },
    ]
  })
