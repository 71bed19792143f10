import type { Kafka } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import { Observable } from 'rxjs'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import type { Topic } from '../../schemas/topics.ts'
import { ConnectorError } from '../errors.ts'
import { openAdmission } from './admission.ts'
import type { Bound, EventLog, LogRecord, NewRecord, Position, Range, Task, Topology } from './event-log.ts'
import { openAppender } from './kafka/appender.ts'
import { admitVersions } from './kafka/broker-versions.ts'
import { brisk, connectKafka, patient, usualTimings, type KafkaAccess, type KafkaTimings } from './kafka/connection.ts'
import type { Unsafe } from './kafka/kafka-seat.ts'
import { admitCoordinated } from './kafka/coordinators.ts'
import type { FetchedPage } from './kafka/fetch-pages.ts'
import { openOpeningQueue, type OpeningQueue } from './kafka/opening-queue.ts'
import { openOutage, type Outage } from './kafka/outage.ts'
import { openPartitionReader, type PartitionReader } from './kafka/partition-reader.ts'
import { runTopologyTasks } from './kafka/run-topology-tasks.ts'
import { openStateCache, type StateCache } from './kafka/state-cache.ts'
import {
  admitTopics,
  changelogSettings,
  checkTopics,
  topicSettings,
  withAdmin,
  type WantedTopic,
} from './kafka/topic-set.ts'
import type { CommitFault } from './running-task.ts'

export interface KafkaLogOptions extends KafkaAccess {
  /** What all names of topics, groups and transactional ids begin with. */
  readonly prefix: string
  /** Fixed when the topics are made. */
  readonly partitions: number
  /** Topics that are missing are made. */
  readonly topics: readonly Topic[]
  /** Where this process keeps copies of its tasks' state; several processes may share it. */
  readonly stateDir: string
  readonly clock: Clock
  readonly tell: Tell
  /** Key and value of one record at most. */
  readonly maxRecordBytes?: number
  readonly timings?: Partial<KafkaTimings>
  /** What befalls each commit; for tests. */
  readonly commitFault?: CommitFault
  /** For tests: when a task is opened that another process has at work. */
  readonly openings?: OpeningQueue
  /** For tests that must see what the safeguards prevent. */
  readonly unsafe?: Unsafe
}

/** What has begun is waited for so long; with the brokers away it would be tried for half a minute more. */
const closeMostMs = 7000
/** Records of one page of a read at most. */
const readMost = 500
const noValue = new Uint8Array(0)

/** The topics of a log as they must be on a broker, and the changelogs of these topologies. */
export const wantedTopics = (
  { prefix, partitions, topics }: Pick<KafkaLogOptions, 'prefix' | 'partitions' | 'topics'>,
  topologies: readonly Pick<Topology, 'name' | 'slots'>[] = [],
): readonly WantedTopic[] => [
  ...topics.map((topic) => ({ name: prefix + topic.name, partitions, settings: topicSettings(topic) })),
  ...topologies.map(({ name, slots = partitions }) => ({
    name: changelogName(prefix, name),
    partitions: slots,
    settings: changelogSettings,
  })),
]

const changelogName = (prefix: string, topology: string): string => `${prefix}state.${topology}`

/**
 * Opens a log on Kafka; any number of processes may, and share the tasks. Rejects with ConnectorError: LOG_DENIED (topics made
 * otherwise, not permitted, login or certificate not accepted, a broker too old), LOG_UNAVAILABLE (no broker answers).
 */
export const openKafkaLog = async (options: KafkaLogOptions): Promise<EventLog> => {
  const { brokers } = options
  const brief = connectKafka(options, brisk)
  await admitVersions(brief, brokers)
  const clusterId = await withAdmin(brief, { brokers, deed: 'cannot open the log' }, async (admin) => {
    admitTopics(brokers, await checkTopics(admin, wantedTopics(options), { make: true }))
    return (await admin.describeCluster()).clusterId
  })
  return assemble(options, { patiently: connectKafka(options, patient), briefly: brief }, clusterId)
}

/** Two clients: work rides troubles out, and who asks a question, or tries again by himself, learns of them soon. */
interface Clients {
  readonly patiently: Kafka
  readonly briefly: Kafka
}

const assemble = (options: KafkaLogOptions, { patiently, briefly }: Clients, clusterId: string): EventLog => {
  const { brokers, prefix, partitions, topics, stateDir, clock, tell, maxRecordBytes, commitFault } = options
  const timings = { ...usualTimings, ...options.timings }
  const admission = openAdmission({ topics, partitions, maxRecordBytes })
  const names = topics.map(({ name }) => name)
  const fullName = (name: string): string => prefix + name
  const appender = openAppender({ kafka: briefly, brokers, metadata: timings.metadata, now: () => clock.now() })
  const running = new Map<string, () => void>()
  const openings = options.openings ?? openOpeningQueue()
  /** The ends of what ran before, by topology: who comes after waits for them. */
  const endings = new Map<string, Promise<void>>()
  let ranges: PartitionReader | undefined
  let cache: StateCache | undefined
  let closing: Promise<void> | undefined

  const append = async (records: readonly NewRecord[]): Promise<readonly Position[]> => {
    if (closing !== undefined) throw closed()
    const slots = records.map(admission.admit)
    const offsets: number[] = []
    const indexes = Map.groupBy(records.keys(), (index) => slots[index] ?? 0)
    const results = await Promise.allSettled(
      [...indexes].map(async ([slot, of]) => {
        const outgoing = of.map((index) => outgoingOf(records[index] as NewRecord))
        const topic = fullName(names[Math.floor(slot / partitions)] ?? '')
        const placed = await appender.append(topic, slot % partitions, outgoing)
        for (const [nth, index] of of.entries()) offsets[index] = placed[nth] ?? -1
      }),
    )
    for (const result of results) if (result.status === 'rejected') throw result.reason
    return records.map(({ topic }, index) => ({
      topic,
      partition: (slots[index] ?? 0) % partitions,
      offset: offsets[index] ?? -1,
    }))
  }

  const withTopics = (wanted: readonly WantedTopic[], make: boolean): Promise<void> =>
    withAdmin(briefly, { brokers, deed: 'cannot look at the topics' }, async (admin) =>
      admitTopics(brokers, await checkTopics(admin, wanted, { make })),
    )

  const stateCache = (): StateCache =>
    (cache ??= openStateCache({ dir: stateDir, log: `${clusterId} ${prefix}`, now: () => clock.now() }))

  const admitTopology = ({ name, inputs }: Topology): void => {
    if (closing !== undefined) throw closed()
    inputs.forEach(admission.topicOf)
    if (running.has(name))
      throw new ConnectorError(
        'LOG_DENIED',
        `the tasks of ${name} run in this process already: give one of the two another name`,
      )
  }

  const start = async (
    topology: Topology,
    emit: (task: Task) => void,
    deny: (error: unknown) => void,
    isOver: () => boolean,
  ) => {
    const count = topology.inputs.length === 0 ? (topology.slots ?? partitions) : partitions
    const changelog = changelogName(prefix, topology.name)
    const outage = openOutage(tell, { topology: topology.name })
    await endings.get(topology.name)
    if (isOver()) return undefined
    const wanted = [
      ...wantedTopics(options).filter(({ name }) => topology.inputs.some((input) => fullName(input) === name)),
      { name: changelog, partitions: count, settings: changelogSettings },
    ]
    const group = prefix + topology.name
    const permitted = { brokers, group, transactionalId: `${group}-0`, metadata: timings.metadata, topics: [changelog] }
    const admit = () => withTopics(wanted, true).then(() => admitCoordinated(briefly, permitted))
    await persistently(admit, isOver, outage)
    outage.close()
    if (isOver()) return undefined
    return runTopologyTasks({
      kafka: patiently,
      readers: briefly,
      brokers,
      topology,
      names,
      fullName,
      partitions,
      changelog,
      group,
      count,
      cache: stateCache(),
      openings,
      timings,
      admission,
      clock,
      tell,
      commitFault,
      unsafe: options.unsafe,
      check: () => withTopics(wanted, false),
      emit,
      deny,
    })
  }

  const tasks = (topology: Topology): Observable<Task> =>
    new Observable((subscriber) => {
      try {
        admitTopology(topology)
      } catch (error) {
        return subscriber.error(error)
      }
      const { name } = topology
      let stop: (() => Promise<void>) | undefined
      running.set(name, () => subscriber.complete())
      const started = start(
        topology,
        (task) => subscriber.next(task),
        (error) => subscriber.error(error),
        () => subscriber.closed,
      ).then(async (running) => {
        stop = running
        if (subscriber.closed) await stop?.()
      })
      started.catch((error: unknown) => subscriber.error(error))
      subscriber.add(() => {
        running.delete(name)
        const stopped = stop?.() ?? started
        endings.set(
          name,
          stopped.catch(() => undefined),
        )
      })
    })

  const rangeReader = (): PartitionReader =>
    (ranges ??= openPartitionReader({
      kafka: briefly,
      brokers,
      patience: { minBytes: 1, maxWaitTime: timings.poll },
      metadata: timings.metadata,
      onTrouble: () => undefined,
    }))

  const resolve = async ({
    topic,
    partition,
    from,
    to,
  }: Range): Promise<{ topic: string; from: number; to: number }> => {
    if (closing !== undefined) throw closed()
    admission.slotOf(topic, partition)
    const full = fullName(topic)
    const reader = rangeReader()
    const { low, high } = await reader.bounds(full, partition)
    const offsetOf = async (bound: Bound): Promise<number> =>
      'offset' in bound ? bound.offset : ((await reader.offsetAt(full, partition, bound.timestamp)) ?? high)
    return {
      topic: full,
      from: from === undefined ? low : Math.max(low, await offsetOf(from)),
      to: to === undefined ? high : Math.min(high, await offsetOf(to)),
    }
  }

  const openPage = (topic: string, partition: number, { offset, to }: { offset: number; to: number }) => {
    if (offset >= to) return undefined
    const page = rangeReader().fetch(topic, partition, offset)
    // Who reads no further must not be told.
    page.catch(() => undefined)
    return page
  }

  /** The first page is asked for at once: who opens several ranges waits for one at a time. */
  const read = (range: Range): AsyncIterable<readonly LogRecord[]> => {
    const opened = resolve(range).then(({ topic, from, to }) => ({
      topic,
      to,
      first: openPage(topic, range.partition, { offset: from, to }),
    }))
    // Who never reads must not be told.
    opened.catch(() => undefined)
    return pages(range, opened)
  }

  async function* pages({ topic: name, partition }: Range, opened: Promise<OpenedRange>) {
    const { topic, to, first } = await opened
    for (let ahead = first; ahead !== undefined;) {
      if (closing !== undefined) throw closed()
      const page = await ahead
      // The next page comes while the reader works on this one.
      ahead = openPage(topic, partition, { offset: page.next, to })
      const records = page.records
        .filter(({ offset }) => offset < to)
        .map(({ offset, timestamp, key, value }): LogRecord => ({
          topic: name,
          partition,
          offset,
          timestamp,
          key: key?.toString() ?? '',
          value: value ?? noValue,
        }))
      for (let at = 0; at < records.length; at += readMost) {
        if (closing !== undefined) throw closed()
        yield records.slice(at, at + readMost)
      }
    }
  }

  const end = async (): Promise<void> => {
    for (const complete of [...running.values()]) complete()
    const waiting = new AbortController()
    const late = setTimeout(closeMostMs, undefined, { signal: waiting.signal }).catch(() => undefined)
    await Promise.race([Promise.all([...endings.values(), appender.close(), ranges?.close()]), late])
    waiting.abort()
    cache?.close()
  }

  return { partitions, append, tasks, read, close: () => (closing ??= end()) }
}

interface OpenedRange {
  readonly topic: string
  readonly to: number
  /** undefined: there is nothing to read. */
  readonly first: Promise<FetchedPage> | undefined
}

const againMs = 1000

/** Does something that must be done before anything else; while the brokers are away it is said, and tried again. */
const persistently = async (work: () => Promise<void>, isOver: () => boolean, outage: Outage): Promise<void> => {
  while (!isOver()) {
    try {
      await work()
      return outage.report('topics', undefined)
    } catch (cause) {
      if (!(cause instanceof ConnectorError) || cause.code !== 'LOG_UNAVAILABLE') throw cause
      outage.report('topics', cause)
    }
    await setTimeout(againMs)
  }
}

const outgoingOf = ({ key, value }: NewRecord): { key: Buffer; value: Buffer } => ({
  key: Buffer.from(key.toWellFormed()),
  value: Buffer.from(value),
})

const closed = (): ConnectorError => new ConnectorError('CLOSED', 'the log is closed')
