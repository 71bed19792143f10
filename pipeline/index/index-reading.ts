import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded-log.ts'
import { type LogSnapshot, openLogSnapshot } from '../../connectors/log/embedded/log-snapshot.ts'
import { ConnectorError } from '../../connectors/errors.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import type { Clock } from '../../schemas/time.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { openKafkaLog } from '../../connectors/log/kafka-log.ts'
import { openKafkaSnapshot } from '../../connectors/log/kafka/kafka-snapshot.ts'
import type { EmbeddedLogSettings, KafkaLogSettings } from '../config/configuration.ts'
import { kafkaAccessOf } from '../config/kafka-access.ts'
import { kinds } from '../kinds/kinds.ts'
import { belongsTo } from './index-origin.ts'
import { readOutcomes } from './index-stage.ts'
import { type IndexWriter, openIndexWriter } from './index-writer.ts'
import { indexFileIn, inMemory, openIndex, openIndexForReading, type OutcomeIndex } from './outcome-index.ts'

/** A log, what is known of its outcomes, and what its tasks had committed just before. */
export interface IndexReading {
  readonly log: EventLog
  /** Where the log is, for people. */
  readonly dir: string
  readonly snapshot: LogSnapshot
  /** Together they hold every outcome of the log: the one that the service keeps, then what it does not have yet. */
  readonly indexes: readonly OutcomeIndex[]
  /** Outcomes that had to be read from the log because no index had them. */
  readonly readAfresh: number
  /** Offsets have gaps that hold no record: only reading tells what is there. */
  readonly hasGaps: boolean
  readonly clock: Clock
  close(): Promise<void>
}

export interface IndexReadingOptions {
  readonly settings: EmbeddedLogSettings | KafkaLogSettings
  readonly clock: Clock
  /** Believe no index: read every outcome of the log. */
  readonly fromLog?: boolean
}

/** Topologies whose state and positions are asked for. */
const askedOf = ['enrich', ...kinds.map((kind) => kind.with(({ decide }) => decide)), 'deliver']

/** Outcomes whose schema this program does not know are waited for so long. */
const longestWaitMs = 10_000

/** Opens a log for questions, beside a running service or without one; changes nothing in it. Rejects with ConnectorError. */
export const openIndexReading = ({ settings, clock, fromLog = false }: IndexReadingOptions): Promise<IndexReading> =>
  'brokers' in settings ? openOnKafka(settings, clock, fromLog) : openEmbedded(settings, clock, fromLog)

/** The index of a process that asks, in the directory of its state: each look brings it up to date. */
const ownIndexFile = (dir: string): string => join(dir, 'asked.index.db')
const quiet = (): void => undefined

const openOnKafka = async (settings: KafkaLogSettings, clock: Clock, fromLog: boolean): Promise<IndexReading> => {
  const { prefix, partitions, stateDir, brokers } = settings
  const access = kafkaAccessOf(settings)
  mkdirSync(stateDir, { recursive: true, mode: 0o700 })
  const common = { ...access, prefix, partitions, topics: allTopics, stateDir }
  // First the snapshot: whatever a task had committed by then is in the outcomes that are read after it.
  const snapshot = await openKafkaSnapshot({ ...common, topologies: askedOf, now: () => clock.now() })
  const log = await openKafkaLog({ ...common, clock, tell: quiet })
  const index = openIndex(fromLog ? inMemory : ownIndexFile(stateDir))
  const readAfresh = await bringUpToDate(log, index, clock)
  return {
    log,
    dir: `${prefix}* on ${brokers.join(', ')}`,
    snapshot,
    indexes: [index],
    readAfresh,
    hasGaps: true,
    clock,
    async close() {
      index.close()
      snapshot.close()
      await log.close()
    },
  }
}

/** Applies what an index lacks; one of another log is begun anew. Another process may do the same: what one has applied the other skips. */
const bringUpToDate = async (log: EventLog, index: OutcomeIndex, clock: Clock): Promise<number> => {
  const writer = openIndexWriter(index)
  const floors: number[] = []
  for (let partition = 0; partition < log.partitions; partition++) {
    if ((await belongsTo(log, partition, index.applied(partition))) === false) writer.clear()
    let floor: number | undefined
    for await (const [first] of log.read({ topic: topics.outcomes.name, partition })) {
      floor = first?.offset
      break
    }
    floors.push(floor ?? index.applied(partition).next)
  }
  const count = await readInto(log, index, writer, clock)
  while (writer.prune(floors));
  return count
}

const readInto = async (log: EventLog, index: OutcomeIndex, writer: IndexWriter, clock: Clock): Promise<number> => {
  const lost = AbortSignal.timeout(longestWaitMs)
  let count = 0
  for (let partition = 0; partition < log.partitions; partition++) {
    for await (const records of log.read({
      topic: topics.outcomes.name,
      partition,
      from: { offset: index.applied(partition).next },
    })) {
      const outcomes = await readOutcomes(records, { log, clock, tell: quiet }, lost).catch(asNewer)
      while (!writer.apply(partition, index.applied(partition).next, outcomes)) lost.throwIfAborted()
      count += outcomes.length
    }
  }
  return count
}

const openEmbedded = async (
  { dir, partitions }: EmbeddedLogSettings,
  clock: Clock,
  fromLog: boolean,
): Promise<IndexReading> => {
  if (!existsSync(join(dir, 'log.db')))
    throw new ConnectorError(
      'LOG_DENIED',
      `there is no log in ${dir}: it is made by the first relay run with this configuration`,
    )
  const log = await openEmbeddedLog({ dir, partitions, topics: allTopics, clock, tell: () => undefined })
  // First the snapshot: whatever a task had committed by then is in the outcomes that are read after it.
  const snapshot = openLogSnapshot(dir)
  const kept = fromLog ? null : await keptIndex(log, snapshot, indexFileIn(dir))
  const fresh = openIndex(inMemory)
  const readAfresh = await readRest(log, kept, fresh, clock)
  const indexes = kept === null ? [fresh] : [kept, fresh]
  return {
    log,
    dir,
    snapshot,
    indexes,
    readAfresh,
    hasGaps: false,
    clock,
    async close() {
      for (const index of indexes) index.close()
      snapshot.close()
      await log.close()
    },
  }
}

const keptIndex = async (log: EventLog, snapshot: LogSnapshot, file: string): Promise<OutcomeIndex | null> => {
  const index = openIndexForReading(file)
  if (index === null) return null
  for (let partition = 0; partition < log.partitions; partition++) {
    const applied = index.applied(partition)
    const belongs =
      (await belongsTo(log, partition, applied)) ?? snapshot.edges(topics.outcomes.name, partition).end >= applied.next
    if (belongs) continue
    index.close()
    return null
  }
  return index
}

/** Puts what the kept index lacks into the fresh one; answers how many outcomes those are. */
const readRest = async (
  log: EventLog,
  kept: OutcomeIndex | null,
  fresh: OutcomeIndex,
  clock: Clock,
): Promise<number> => {
  const writer = openIndexWriter(fresh)
  const lost = AbortSignal.timeout(longestWaitMs)
  let count = 0
  for (let partition = 0; partition < log.partitions; partition++) {
    const from = { offset: kept?.applied(partition).next ?? 0 }
    for await (const records of log.read({ topic: topics.outcomes.name, partition, from })) {
      const outcomes = await readOutcomes(records, { log, clock, tell: () => undefined }, lost).catch(asNewer)
      writer.apply(partition, fresh.applied(partition).next, outcomes)
      count += outcomes.length
    }
  }
  return count
}

const asNewer = (cause: unknown): never => {
  if (!(cause instanceof DOMException)) throw cause
  throw new ConnectorError('LOG_DENIED', 'a newer version of the relay wrote outcomes into this log: ask with that one')
}
