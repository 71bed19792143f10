import type { Topic } from '../../../schemas/topics.ts'
import type { EpochMs } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import type { LogSnapshot } from '../embedded/log-snapshot.ts'
import { ownerKey, positionKeyOf } from './changelog.ts'
import { brisk, connectKafka, type KafkaAccess, usualTimings } from './connection.ts'
import { type Bounds, openPartitionReader, type PartitionReader } from './partition-reader.ts'
import { type CachedPartition, openStateCache, type PlacedEntry, type StateCache } from './state-cache.ts'
import { withAdmin } from './topic-set.ts'

export interface KafkaSnapshotOptions extends KafkaAccess {
  readonly prefix: string
  readonly partitions: number
  readonly topics: readonly Topic[]
  /** Topologies whose state is looked at; one that has not run yet has none. */
  readonly topologies: readonly string[]
  /** Where this process keeps copies of the state, so that the next look reads only what is new. */
  readonly stateDir: string
  readonly now: () => EpochMs
}

/**
 * Looks at a log on Kafka beside those who run its tasks: reads what their changelogs hold at this moment; writes nothing. Rejects
 * with ConnectorError.
 */
export const openKafkaSnapshot = async (options: KafkaSnapshotOptions): Promise<LogSnapshot> => {
  const { brokers, prefix, partitions, topics, topologies, stateDir, now } = options
  const kafka = connectKafka(options, brisk)
  const { clusterId, names } = await withAdmin(
    kafka,
    { brokers, deed: 'cannot look at the topics' },
    async (admin) => ({
      clusterId: (await admin.describeCluster()).clusterId,
      names: new Set(await admin.listTopics()),
    }),
  )
  const missing = topics.find(({ name }) => !names.has(prefix + name))
  if (missing !== undefined)
    throw new ConnectorError(
      'LOG_DENIED',
      `there is no topic ${prefix}${missing.name} on ${brokers.join(', ')}: relay topics or the first relay run makes it`,
    )
  const reader = openPartitionReader({
    kafka,
    brokers,
    patience: { minBytes: 1, maxWaitTime: usualTimings.poll },
    metadata: usualTimings.metadata,
    onTrouble: () => undefined,
  })
  let cache: StateCache | undefined
  try {
    cache = openStateCache({ dir: stateDir, log: `${clusterId} ${prefix}`, now })
    const states = new Map<string, CachedPartition>()
    for (const topology of topologies) {
      const changelog = `${prefix}state.${topology}`
      if (!names.has(changelog)) continue
      for (let partition = 0; partition < partitions; partition++) {
        const cached = cache.partition(changelog, partition)
        await catchUp(reader, cached, changelog, partition)
        states.set(`${topology}/${partition}`, cached)
      }
    }
    const edges = await edgesOf(reader, options)
    return snapshotOf({ partitions, states, edges, reader, cache })
  } catch (cause) {
    cache?.close()
    await reader.close()
    throw cause
  }
}

/** Reads a changelog to where it ends now. */
const catchUp = async (
  reader: PartitionReader,
  cached: CachedPartition,
  changelog: string,
  partition: number,
): Promise<void> => {
  const { low, high } = await reader.bounds(changelog, partition)
  let from = cached.position() ?? low
  if (from < low || from > high) {
    cached.forget()
    from = low
  }
  while (from < high) {
    const { records, next } = await reader.fetch(changelog, partition, from)
    const entries = records.flatMap(({ offset, key, value }): readonly PlacedEntry[] =>
      key === null || key.toString() === ownerKey ? [] : [{ key: key.toString(), value, offset }],
    )
    cached.read(entries, next)
    from = next
  }
}

const edgesOf = async (
  reader: PartitionReader,
  { prefix, partitions, topics }: KafkaSnapshotOptions,
): Promise<ReadonlyMap<string, Bounds>> => {
  const edges = new Map<string, Bounds>()
  for (const { name } of topics)
    await Promise.all(
      Array.from({ length: partitions }, async (_, partition) => {
        edges.set(`${name}/${partition}`, await reader.bounds(prefix + name, partition))
      }),
    )
  return edges
}

const snapshotOf = ({
  partitions,
  states,
  edges,
  reader,
  cache,
}: {
  readonly partitions: number
  readonly states: ReadonlyMap<string, CachedPartition>
  readonly edges: ReadonlyMap<string, Bounds>
  readonly reader: PartitionReader
  readonly cache: StateCache
}): LogSnapshot => ({
  partitions,
  edges(topic, partition) {
    const bounds = edges.get(`${topic}/${partition}`)
    return { floor: bounds?.low ?? 0, end: bounds?.high ?? 0 }
  },
  position(topology, partition, topic) {
    const bytes = states.get(`${topology}/${partition}`)?.get(positionKeyOf(topic))
    return bytes === undefined ? undefined : Number(Buffer.from(bytes).toString())
  },
  state: (topology, partition) =>
    states.get(`${topology}/${partition}`)?.state ?? { get: () => undefined, range: () => [] },
  close() {
    cache.close()
    // Nothing waits for its connections.
    void reader.close()
  },
})
