import { Kafka, logLevel, type Cluster, type RetryOptions, type SASLOptions } from 'kafkajs'
import type { ConnectionOptions } from 'node:tls'
import { hasSign } from './kafka-errors.ts'
import { openSocket } from './open-socket.ts'
import './request-queues.ts'

/** How a broker is reached. */
export interface KafkaAccess {
  /** host:port of some of the brokers; the others are learned from them. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Left out: in the clear. */
  readonly tls?: ConnectionOptions
  readonly sasl?: KafkaSasl
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: () => string
}

/** Milliseconds, all of them explicit: the client's own ones differ between environments. */
export interface KafkaTimings {
  /** A member that was not heard of for so long is expelled, and others take its partitions. */
  readonly session: number
  readonly heartbeat: number
  /** How long a group waits for its members at a rebalance. */
  readonly rebalance: number
  /** How long a fetch waits at the broker for something to come. */
  readonly poll: number
  /** How old knowledge of leaders and partitions may be. */
  readonly metadata: number
  /** How long a task's opening waits for its own marker. */
  readonly restore: number
  /** Between two commits of positions to the group, which only show how far it lags. */
  readonly lag: number
}

export const usualTimings: KafkaTimings = {
  session: 8000,
  heartbeat: 1000,
  rebalance: 6000,
  poll: 100,
  metadata: 30_000,
  restore: 30_000,
  lag: 1000,
}

/** For whom the work goes on whatever happens: some 25 s of trouble are ridden out. */
export const patient: RetryOptions = {
  initialRetryTime: 20,
  maxRetryTime: 1000,
  factor: 0.2,
  multiplier: 2,
  retries: 30,
}
/** For whom somebody waits: some 3 s. */
export const brisk: RetryOptions = { initialRetryTime: 50, maxRetryTime: 1000, factor: 0.2, multiplier: 2, retries: 6 }

/** A client that connects when it is used, and tries again as it is told. */
export const connectKafka = ({ brokers, clientId, tls, sasl }: KafkaAccess, retry: RetryOptions): Kafka =>
  new Kafka({
    brokers: [...brokers],
    clientId,
    // What it would say carries addresses and is said again, better, in the errors.
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2000,
    authenticationTimeout: 5000,
    reauthenticationThreshold: 10_000,
    socketFactory: openSocket,
    requestTimeout: 5000,
    enforceRequestTimeout: true,
    retry,
    ...(tls === undefined ? {} : { ssl: tls }),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
  })

const saslOptions = ({ mechanism, username, password }: KafkaSasl): SASLOptions => ({
  mechanism,
  username,
  password: password(),
})

/** Brokers reached without a group: whoever reads so may begin at any offset, waits for no join, and is expelled by nobody. */
export interface OpenCluster {
  readonly cluster: Cluster
  close(): Promise<void>
}

/** Opens it; what is known of the brokers and of these topics then is fresh. Left out: nothing is asked for. */
export const openCluster = async (
  kafka: Kafka,
  metadataMaxAge: number,
  topics: readonly string[] = [],
): Promise<OpenCluster> => {
  let cluster: Cluster | undefined
  const consumer = kafka.consumer({
    // Only to be handed its cluster: it never joins.
    groupId: 'none',
    partitionAssigners: [
      (config) => {
        cluster = config.cluster
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        }
      },
    ],
    metadataMaxAge,
    retry: brisk,
    allowAutoTopicCreation: false,
    // The end of a partition then is its high watermark: what a commit acknowledged lies below, though its markers may still be on the way.
    readUncommitted: true,
  })
  await consumer.connect()
  if (cluster === undefined) throw new Error('kafkajs did not hand over its cluster')
  const close = (): Promise<void> => consumer.disconnect()
  try {
    await learn(cluster, topics)
  } catch (cause) {
    await close().catch(() => undefined)
    throw cause
  }
  return { cluster, close }
}

const learn = async (cluster: Cluster, topics: readonly string[]): Promise<void> => {
  if (topics.length === 0) return
  try {
    // Who asks for no topic in particular is told of all that the brokers have, so that is left for when nothing else goes.
    await cluster.addMultipleTargetTopics([...topics])
  } catch (cause) {
    if (!hasSign(cause, 'UNKNOWN_TOPIC_OR_PARTITION')) throw cause
    await cluster.refreshMetadata()
  }
}

/** A cluster that is opened when it is used, and anew after it failed to open or was forgotten. */
export interface ClusterOnUse {
  readonly connected: () => Promise<Cluster>
  /** Closes it. */
  readonly forget: () => Promise<void>
}

/** What opens it may reject with errors of the client; so does `connected`. */
export const openOnUse = (open: () => Promise<OpenCluster>): ClusterOnUse => {
  let opening: Promise<OpenCluster> | undefined
  return {
    connected: async () => {
      opening ??= open()
      try {
        return (await opening).cluster
      } catch (cause) {
        opening = undefined
        throw cause
      }
    },
    forget: async () => {
      const old = opening
      opening = undefined
      await old?.then((opened) => opened.close()).catch(() => undefined)
    },
  }
}
