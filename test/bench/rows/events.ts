import { setImmediate, setTimeout } from 'node:timers/promises'
import { type EmbeddedLog, openEmbeddedLog } from '../../../connectors/log/embedded-log.ts'
import type { LogRecord } from '../../../connectors/log/event-log.ts'
import { systemClock } from '../../../pipeline/runtime/system-clock.ts'
import { startService } from '../../../pipeline/service.ts'
import { decode } from '../../../schemas/codec.ts'
import type { RawEvent } from '../../../schemas/generated.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { openBareLog } from '../bare-log.ts'
import { fiveMonitors } from '../configuration.ts'
import { type FlowWorld, makeFlowWorld } from '../flow-world.ts'
import { type BenchRow, type Figure, paired, perSecond } from '../measure.ts'
import { storeBytesReference } from '../references.ts'
import { rawRecord } from '../raw-record.ts'
import { inTemporaryDir } from '../temporary-dir.ts'

const eventCount = 20_000
const fedTogether = 500
const bar = { least: 10_000, ratio: 0.4 }

const quiet = (): void => undefined

const openLog = (dir: string): Promise<EmbeddedLog> =>
  openEmbeddedLog({ dir, topics: allTopics, clock: systemClock(), tell: quiet })

/** Feeds every event, and waits until nothing is left to do. */
const runThrough = async (log: EmbeddedLog, { events: raw, velociraptor }: FlowWorld): Promise<void> => {
  const world = { log, velociraptor, channels: new Map(), clock: systemClock(), random: Math.random, tell: quiet }
  const service = await startService(world, {
    configuration: fiveMonitors(),
    stages: ['enrich', 'decide'],
    since: null,
  })
  const fed = feed(log, raw)
  const idle = async (): Promise<void> => {
    await fed
    while (!log.isIdle()) await setTimeout(1)
  }
  await Promise.race([idle(), service.failed])
  await service.stop()
}

/** Appends what has come as raw records, as collect does; the next ones do not wait for it. */
const feed = async (log: EmbeddedLog, raw: readonly RawEvent[]): Promise<void> => {
  const appends: Promise<unknown>[] = []
  for (let at = 0; at < raw.length; at += fedTogether) {
    appends.push(log.append(raw.slice(at, at + fedTogether).map(rawRecord)))
    await setImmediate()
  }
  await Promise.all(appends)
}

type Transactions = readonly (readonly LogRecord[])[]

/** Every record of the log, in the transactions in which they were written: all of one have its time. */
const transactionsOf = async (log: EmbeddedLog): Promise<Transactions> => {
  const records: LogRecord[] = []
  for (const { name } of allTopics)
    for (let partition = 0; partition < log.partitions; partition++)
      for await (const page of log.read({ topic: name, partition })) records.push(...page)
  return [...Map.groupBy(records, ({ timestamp }) => timestamp)]
    .toSorted(([a], [b]) => a - b)
    .map(([, together]) => together)
}

/** A pipeline that loses events on the way would be fast. */
const requireOutcomes = (transactions: Transactions): void => {
  const judged = new Set<string>()
  for (const { value } of transactions.flat().filter(({ topic }) => topic === topics.outcomes.name)) {
    const { event, verdicts } = decode('Outcome', value)
    if (verdicts.length !== 5) throw new Error(`${event} has ${verdicts.length} verdicts, not 5`)
    judged.add(event)
  }
  if (judged.size !== eventCount) throw new Error(`${judged.size} of ${eventCount} events have an outcome`)
}

const mean = (records: readonly LogRecord[]): string =>
  `${(records.length / eventCount).toFixed(2)} of ${Math.round(records.reduce((sum, { value }) => sum + value.length, 0) / records.length)} B`

const measureEvents = async (): Promise<readonly Figure[]> => {
  const world = makeFlowWorld(eventCount)
  let transactions: Transactions = []
  const pipeline = (): Promise<number> =>
    inTemporaryDir(async (dir) => {
      const log = await openLog(dir)
      const rate = await perSecond(eventCount, () => runThrough(log, world))
      transactions = await transactionsOf(log)
      requireOutcomes(transactions)
      await log.close()
      return rate
    })
  const bare = (): Promise<number> =>
    inTemporaryDir(async (dir) => {
      const log = openBareLog(dir)
      const rate = await perSecond(eventCount, () => transactions.forEach((records) => log.commit(records)))
      log.close()
      return rate
    })
  const measured = await paired(pipeline, bare)
  const records = transactions.flat()
  const bytes = records.reduce((sum, { value }) => sum + value.length, 0)
  const some = (topic: { readonly name: string }): string =>
    mean(records.filter((record) => record.topic === topic.name))
  return [
    {
      name: 'in-process events',
      ...measured,
      unit: 'events/s',
      bar,
      // The loop's records are larger than the reference's: compared by bytes.
      reference: { ...storeBytesReference, value: storeBytesReference.value / (bytes / eventCount) },
      note:
        `raw to outcome, 5 monitors, against a bare loop over the same ${records.length} records in the same ${transactions.length} ` +
        `commits; an event makes raw ${some(topics.rawFlowCompletions)}, event ${some(topics.flowEvents)}, ` +
        `outcomes ${some(topics.outcomes)}, notices ${some(topics.notices)}`,
    },
  ]
}

/** What the pipeline does by itself, Velociraptor's answers being at hand. */
export const events: BenchRow = {
  name: 'events',
  about:
    'events of 1 kB through enrich and decide with 5 monitors, skewed over 4 partitions of the embedded log, fsync at each commit',
  measure: measureEvents,
}
