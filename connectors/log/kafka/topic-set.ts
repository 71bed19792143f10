import kafkajs, { type Admin, type DescribeConfigResponse, type Kafka } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import { ConnectorError } from '../../errors.ts'
import { brisk } from './connection.ts'
import { asKafkaError, hasSign } from './kafka-errors.ts'

/** A topic as it must be on the broker. */
export interface WantedTopic {
  /** Its full name. */
  readonly name: string
  readonly partitions: number
  readonly settings: Readonly<Record<string, string>>
}

export interface TopicFinding {
  readonly name: string
  readonly is: 'there' | 'made' | 'missing' | 'wrong'
  /** What is wrong, and what to do. */
  readonly text?: string
}

// Node does not find all names of this CommonJS package by itself.
const { ConfigResourceTypes, ConfigSource } = kafkajs

const day = 86_400_000
const changelogBytes = 20 * 1024 * 1024

/** What every topic of the log is made with; what is not listed is the broker's business. */
export const topicSettings = ({
  keptMs,
  compacted,
}: {
  readonly keptMs?: number
  readonly compacted?: true
}): Record<string, string> =>
  compacted === true
    ? { 'cleanup.policy': 'compact' }
    : { 'cleanup.policy': 'delete', 'retention.ms': String(keptMs ?? -1) }

/** A changelog's: marks of deletions stay far longer than a copy of it may lag, and a large state value fits. */
export const changelogSettings: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  'delete.retention.ms': String(7 * day),
  'max.message.bytes': String(changelogBytes),
  'min.cleanable.dirty.ratio': '0.2',
}

/** Works on the broker's topics with a connection of its own. Rejects with ConnectorError. */
export const withAdmin = async <T>(
  kafka: Kafka,
  place: { readonly brokers: readonly string[]; readonly deed: string },
  work: (admin: Admin) => Promise<T>,
): Promise<T> => {
  const admin = kafka.admin({ retry: brisk })
  try {
    await admin.connect()
    return await work(admin)
  } catch (cause) {
    throw asKafkaError(cause, place)
  } finally {
    await admin.disconnect().catch(() => undefined)
  }
}

/** Looks at each topic, and makes what is missing when told to. */
export const checkTopics = async (
  admin: Admin,
  wanted: readonly WantedTopic[],
  { make }: { readonly make: boolean },
): Promise<readonly TopicFinding[]> => {
  const known = new Set(await admin.listTopics())
  const missing = wanted.filter(({ name }) => !known.has(name))
  if (make && missing.length > 0) await makeTopics(admin, missing)
  const present = make ? wanted : wanted.filter(({ name }) => known.has(name))
  const wrong = present.length === 0 ? new Map<string, string>() : await patiently(() => findWrong(admin, present))
  return wanted.map(({ name }) => {
    const text = wrong.get(name)
    if (text !== undefined) return { name, is: 'wrong', text }
    return { name, is: known.has(name) ? 'there' : make ? 'made' : 'missing' }
  })
}

/** The findings, or LOG_DENIED that says everything that is wrong. */
export const admitTopics = (brokers: readonly string[], findings: readonly TopicFinding[]): void => {
  const bad = findings.filter(({ is }) => is === 'wrong' || is === 'missing')
  if (bad.length === 0) return
  const said = bad.map(({ name, text }) => text ?? `topic ${name} is missing: \`relay topics\` makes it`)
  throw new ConnectorError('LOG_DENIED', `Kafka at ${brokers.join(', ')}: ${said.join('; ')}`)
}

const makeTopics = async (admin: Admin, missing: readonly WantedTopic[]): Promise<void> => {
  const topics = missing.map(({ name, partitions, settings }) => ({
    topic: name,
    numPartitions: partitions,
    configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
  }))
  // Two processes may make them at once; the other one's are as good.
  await patiently(() => admin.createTopics({ topics, waitForLeaders: false }))
  const names = missing.map(({ name }) => name)
  await patiently(async () => {
    const { topics: described } = await admin.fetchTopicMetadata({ topics: names })
    if (!described.every(({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader >= 0)))
      throw new ConnectorError(
        'LOG_UNAVAILABLE',
        `Kafka made the topics ${names.join(', ')}, but no broker leads them yet`,
      )
  })
}

/** What ends by itself where a topic was made a moment ago, or a broker has only just begun and is slow yet. */
const passing = [
  'KafkaJSRequestTimeoutError',
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'REQUEST_TIMED_OUT',
  'NOT_CONTROLLER',
  'COORDINATOR_NOT_AVAILABLE',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LOG_UNAVAILABLE',
]
const passMostMs = 30_000
const firstWaitMs = 50
const longestWaitMs = 500

/** Does it again while what went wrong may pass, within bounds. */
const patiently = async <T>(work: () => Promise<T>): Promise<T> => {
  for (let waitMs = firstWaitMs, begun = performance.now(); ; waitMs = Math.min(longestWaitMs, 2 * waitMs))
    try {
      return await work()
    } catch (cause) {
      if (!hasSign(cause, ...passing) || performance.now() - begun > passMostMs) throw cause
      await setTimeout(waitMs)
    }
}

type Described = DescribeConfigResponse['resources'][number]['configEntries'][number]

const findWrong = async (admin: Admin, present: readonly WantedTopic[]): Promise<Map<string, string>> => {
  const { topics } = await admin.fetchTopicMetadata({ topics: present.map(({ name }) => name) })
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: present.map(({ name }) => ({ type: ConfigResourceTypes.TOPIC, name, configNames: ['cleanup.policy'] })),
  })
  const wrong = new Map<string, string>()
  for (const { name, partitions, settings } of present) {
    const count = topics.find((topic) => topic.name === name)?.partitions.length ?? 0
    const policy = resources.find(({ resourceName }) => resourceName === name)?.configEntries[0]
    const text = countProblem(name, count, partitions) ?? policyProblem(name, policy, settings['cleanup.policy'] ?? '')
    if (text !== undefined) wrong.set(name, text)
  }
  return wrong
}

const countProblem = (name: string, count: number, wanted: number): string | undefined =>
  count === wanted
    ? undefined
    : `topic ${name} has ${count} partitions, and the log was made with ${wanted}: keys would change their places. ` +
      `Set log.kafka.partitions to what all topics have, or choose another prefix and begin anew`

const policyProblem = (name: string, policy: Described | undefined, wanted: string): string | undefined => {
  const isOwn = policy?.configSource === ConfigSource.TOPIC_CONFIG
  if (policy?.configValue === wanted && isOwn) return undefined
  return isOwn
    ? `topic ${name} has cleanup.policy=${policy.configValue} instead of ${wanted}: set it so`
    : `topic ${name} was made by nobody on purpose (it has no cleanup.policy of its own): delete it and let \`relay topics\` ` +
        `make it, or set cleanup.policy=${wanted} on it if it is right as it is`
}
