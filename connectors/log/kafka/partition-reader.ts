import type { Cluster, Kafka } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import { openCluster, openOnUse } from './connection.ts'
import { type Asked, type FetchedPage, fetchFrom, pageOf, type Patience } from './fetch-pages.ts'
import { asKafkaError, hasSign } from './kafka-errors.ts'

/** A partition that is read on and on. */
export interface Source {
  readonly topic: string
  readonly partition: number
  /** What has come may wait a moment for more. */
  readonly isUnhurried?: boolean
  /** The offset to read from; undefined: enough for now. */
  wants(): number | undefined
  take(page: FetchedPage): void
  /** Everything that may be read for now was. */
  reachedEnd?(): void
  /** The offset that was wanted lies below or beyond what the partition holds. */
  outOfRange(bounds: Bounds): void
}

/** The first offset that is kept, and the one that the next record gets. */
export interface Bounds {
  readonly low: number
  readonly high: number
}

/** Reads partitions from where it is told, without a group. */
export interface PartitionReader {
  /** Reads a source until the returned function is called. */
  add(source: Source): () => void
  /** A source wants more. */
  look(): void
  /** Rejects with ConnectorError. */
  bounds(topic: string, partition: number): Promise<Bounds>
  /** Of one partition of several topics, by their names. Rejects with ConnectorError. */
  boundsOf(topics: readonly string[], partition: number): Promise<ReadonlyMap<string, Bounds>>
  /** The offset that the next record of a partition gets. Rejects with ConnectorError. */
  end(topic: string, partition: number): Promise<number>
  /** The first record at or after a time; undefined: there is none. Rejects with ConnectorError. */
  offsetAt(topic: string, partition: number, time: EpochMs): Promise<number | undefined>
  /** One fetch, without waiting for something to come. Rejects with ConnectorError. */
  fetch(topic: string, partition: number, from: number): Promise<FetchedPage>
  close(): Promise<void>
}

export interface PartitionReaderOptions {
  readonly kafka: Kafka
  readonly brokers: readonly string[]
  /** Of a fetch from sources. */
  readonly patience: Patience
  readonly metadata: number
  /** Called when reading fails, and with undefined when it goes on. */
  readonly onTrouble: (error: ConnectorError | undefined) => void
}

/** So often a broker must answer that there is nothing at an offset before it is passed over. */
const emptyAnswers = 3
const firstWaitMs = 50
const longestWaitMs = 1000
/** After so many failures in a row everything known of the brokers is thrown away. */
const failuresBeforeAnew = 4
/** Unhurried sources are read no sooner than so long after the last time that one of them had something, ms. */
const restMs = 100
/** Until the brokers have chosen new leaders in place of one that died, and all of them know: as long as writing waits. */
const patienceMs = 25_000

export const openPartitionReader = (options: PartitionReaderOptions): PartitionReader => {
  const { kafka, brokers, patience, metadata, onTrouble } = options
  const sources = new Set<Source>()
  const busy = new Set<Source>()
  const leaders = new Set<string>()
  let failures = 0
  let isClosed = false
  let isLooking = false
  let isWaiting = false
  let restsUntil = 0

  const { connected, forget: forgetCluster } = openOnUse(() => openCluster(kafka, metadata))

  const leaderOf = async (cluster: Cluster, topic: string, partition: number): Promise<string> => {
    await cluster.addMultipleTargetTopics([topic])
    const [leader] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
    if (leader === undefined || leader === '-1') {
      await cluster.refreshMetadata()
      throw new ConnectorError(
        'LOG_UNAVAILABLE',
        `Kafka at ${brokers.join(', ')}: topic ${topic} partition ${partition} has no leader for the moment`,
      )
    }
    return leader
  }

  const guarded = async <T>(
    deed: string,
    topic: string,
    partition: number,
    work: (cluster: Cluster) => Promise<T>,
  ): Promise<T> => {
    for (let attempt = 0, begun = performance.now(); ; attempt++) {
      if (isClosed) throw new ConnectorError('CLOSED', 'the log is closed')
      try {
        return await work(await connected())
      } catch (cause) {
        if (isClosed) throw new ConnectorError('CLOSED', 'the log is closed')
        const error = asKafkaError(cause, { brokers, deed, topic, partition })
        const isOver = performance.now() - begun > patienceMs
        if (hasSign(cause, 'OFFSET_OUT_OF_RANGE') || error.code !== 'LOG_UNAVAILABLE' || isOver) throw error
        if (attempt % failuresBeforeAnew === failuresBeforeAnew - 1) await forgetCluster()
        await recover(cause, attempt)
      }
    }
  }

  /** Stale knowledge of the brokers is the usual cause; when learning it anew does not help, everything is. */
  const recover = async (cause: unknown, attempt: number): Promise<void> => {
    await setTimeout(Math.min(longestWaitMs, firstWaitMs * 2 ** attempt))
    try {
      const cluster = await connected()
      if (hasSign(cause, 'KafkaJSConnectionClosedError')) dropBroker(cluster, cause)
      await cluster.refreshMetadata()
    } catch {
      await forgetCluster()
    }
  }

  /** First offsets, or ends, of one partition of several topics. */
  const edgesOf = async (
    cluster: Cluster,
    topics: readonly string[],
    { partition, fromBeginning }: { partition: number; fromBeginning: boolean },
  ): Promise<readonly number[]> => {
    await cluster.addMultipleTargetTopics([...topics])
    for (const topic of topics) await leaderOf(cluster, topic, partition)
    const asked = topics.map((topic) => ({ topic, partitions: [{ partition }], fromBeginning }))
    const answers = await cluster.fetchTopicsOffset(asked)
    return topics.map((name) => offsetIn(answers.find(({ topic }) => topic === name)?.partitions[0]?.offset))
  }

  const oneOf = async (cluster: Cluster, topic: string, partition: number): Promise<Bounds> =>
    (await boundsOf(cluster, [topic], partition)).get(topic) as Bounds

  const boundsOf = async (
    cluster: Cluster,
    topics: readonly string[],
    partition: number,
  ): Promise<ReadonlyMap<string, Bounds>> => {
    // In this order: what is written meanwhile only moves the ends up.
    const lows = await edgesOf(cluster, topics, { partition, fromBeginning: true })
    const highs = await edgesOf(cluster, topics, { partition, fromBeginning: false })
    return new Map(topics.map((topic, index) => [topic, { low: lows[index] ?? -1, high: highs[index] ?? -1 }]))
  }

  /** What one partition holds from an offset on, also where all that is left there are batches that compaction has emptied. */
  const fetchAlone = async (
    cluster: Cluster,
    { topic, partition, from }: Asked,
    wait: number,
  ): Promise<FetchedPage> => {
    for (let answers = 0; answers < emptyAnswers; answers++) {
      const broker = await cluster.findBroker({ nodeId: await leaderOf(cluster, topic, partition) })
      const [got] = await fetchFrom(broker, [{ topic, partition, from }], { minBytes: 1, maxWaitTime: wait })
      if (got === undefined) return { records: [], next: from }
      const page = pageOf(got, from)
      if (page.next > from || from >= got.lastStableOffset) return page
    }
    // Who asks for one partition alone gets the batch with this offset whole. Nothing of it below the end that readers may see: it is empty.
    return { records: [], next: from + 1 }
  }

  const look = (): void => {
    if (isLooking || isClosed) return
    isLooking = true
    queueMicrotask(() => {
      isLooking = false
      void assign()
    })
  }

  /** All unhurried sources rest together: what comes to any of them meanwhile is read at once. */
  const rest = (): void => {
    if (performance.now() < restsUntil) return
    restsUntil = performance.now() + restMs
    // Perhaps nobody else wants anything, so nothing else would look then.
    void setTimeout(restMs + 1, undefined, { ref: false }).then(look)
  }
  const isResting = ({ isUnhurried }: Source): boolean => isUnhurried === true && performance.now() < restsUntil

  /** Gives the sources that want something to their leaders' loops. */
  const assign = async (): Promise<void> => {
    if (isClosed || isWaiting || sources.size === 0) return
    isWaiting = true
    let cluster: Cluster
    const byLeader = new Map<string, Source[]>()
    try {
      cluster = await connected()
      await cluster.addMultipleTargetTopics([...new Set([...sources].map(({ topic }) => topic))])
      for (const source of sources) {
        if (busy.has(source) || isResting(source) || source.wants() === undefined) continue
        const leader = await leaderOf(cluster, source.topic, source.partition)
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), source])
      }
      isWaiting = false
    } catch (cause) {
      await failed(cause, [...sources][0])
      isWaiting = false
      return look()
    }
    for (const [leader, wanting] of byLeader) if (!leaders.has(leader)) void run(cluster, leader, wanting)
  }

  const run = async (cluster: Cluster, leader: string, wanting: readonly Source[]): Promise<void> => {
    leaders.add(leader)
    for (const source of wanting) busy.add(source)
    try {
      await fetchAll(cluster, leader, wanting)
      if (failures > 0) onTrouble(undefined)
      failures = 0
    } catch (cause) {
      await failed(cause, wanting[0])
    } finally {
      leaders.delete(leader)
      for (const source of wanting) busy.delete(source)
      look()
    }
  }

  const fetchAll = async (cluster: Cluster, leader: string, wanting: readonly Source[]): Promise<void> => {
    const asked = wanting.flatMap((source) => {
      const from = source.wants()
      return from === undefined ? [] : [{ source, topic: source.topic, partition: source.partition, from }]
    })
    if (asked.length === 0) return
    try {
      const broker = await cluster.findBroker({ nodeId: leader })
      for (const got of await fetchFrom(broker, asked, patience)) {
        const { source, from } =
          asked.find(({ topic, partition }) => topic === got.topic && partition === got.partition) ?? {}
        if (source === undefined || from === undefined || !sources.has(source) || source.wants() !== from) continue
        const page = pageOf(got, from)
        const end = got.lastStableOffset
        if (page.next > from && source.isUnhurried === true) rest()
        if (page.next > from) source.take(page)
        else if (from < end) await takeAlone(cluster, source, from)
        if ((source.wants() ?? -1) >= end) source.reachedEnd?.()
      }
    } catch (cause) {
      if (!hasSign(cause, 'OFFSET_OUT_OF_RANGE')) throw cause
      for (const { source, from } of asked) await checkRange(cluster, source, from)
    }
  }

  const takeAlone = async (cluster: Cluster, source: Source, from: number): Promise<void> => {
    const page = await fetchAlone(cluster, { topic: source.topic, partition: source.partition, from }, 0)
    if (page.next > from && sources.has(source) && source.wants() === from) source.take(page)
  }

  const checkRange = async (cluster: Cluster, source: Source, from: number): Promise<void> => {
    const bounds = await oneOf(cluster, source.topic, source.partition)
    const isOutside = from < bounds.low || from > bounds.high
    if (isOutside && sources.has(source) && source.wants() === from) source.outOfRange(bounds)
  }

  const failed = async (cause: unknown, source: Source | undefined): Promise<void> => {
    if (isClosed) return
    const { topic, partition } = source ?? {}
    const place = { ...(topic === undefined ? {} : { topic }), ...(partition === undefined ? {} : { partition }) }
    onTrouble(asKafkaError(cause, { brokers, deed: 'cannot read', ...place }))
    failures++
    if (failures % failuresBeforeAnew === 0) await forgetCluster()
    await recover(cause, Math.min(failures, 8))
  }

  return {
    add: (source) => {
      sources.add(source)
      look()
      return () => void sources.delete(source)
    },
    look,
    bounds: (topic, partition) =>
      guarded('cannot learn how far the log goes', topic, partition, (cluster) => oneOf(cluster, topic, partition)),
    boundsOf: (topics, partition) =>
      guarded('cannot learn how far the log goes', topics.join(', '), partition, (cluster) =>
        boundsOf(cluster, topics, partition),
      ),
    end: (topic, partition) =>
      guarded('cannot learn how far the log goes', topic, partition, async (cluster) => {
        const [end = -1] = await edgesOf(cluster, [topic], { partition, fromBeginning: false })
        return end
      }),
    offsetAt: (topic, partition, time) =>
      guarded('cannot find a time', topic, partition, async (cluster) => {
        await leaderOf(cluster, topic, partition)
        // Times below zero are questions of another kind to a broker.
        const asked = { topic, partitions: [{ partition }], fromTimestamp: Math.max(0, time) }
        const [answer] = await cluster.fetchTopicsOffset([asked])
        const offset = offsetIn(answer?.partitions[0]?.offset)
        return offset < 0 ? undefined : offset
      }),
    fetch: (topic, partition, from) =>
      guarded('cannot read', topic, partition, (cluster) =>
        fetchAlone(cluster, { topic, partition, from }, patience.maxWaitTime),
      ),
    close: async () => {
      isClosed = true
      sources.clear()
      await forgetCluster()
    },
  }
}

const offsetIn = (text: string | undefined): number => (text === undefined ? -1 : Number(text))

const dropBroker = (cluster: Cluster, cause: unknown): void => {
  if (!(cause instanceof Error) || !('host' in cause) || !('port' in cause)) return
  cluster.removeBroker({ host: String(cause.host), port: Number(cause.port) })
}
