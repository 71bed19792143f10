import type { Cluster, Kafka } from 'kafkajs'
import { setTimeout } from 'node:timers/promises'
import { openCluster, openOnUse } from './connection.ts'
import { asKafkaError, hasSign } from './kafka-errors.ts'

/** Brokers on which work goes on through their troubles. */
export interface SteadyCluster {
  /** Does it again while what went wrong may pass, some 25 s: it must bear being done twice. Rejects with errors of the client. */
  persistently<T>(work: (cluster: Cluster) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface SteadyClusterOptions {
  readonly kafka: Kafka
  readonly brokers: readonly string[]
  /** How old knowledge of leaders may be, ms. */
  readonly metadata: number
  /** Some that are used, at least one: the brokers are learned with them. */
  readonly topics: readonly string[]
  /** What is known of the brokers may be wrong. */
  readonly onTrouble?: () => void
}

const firstWaitMs = 2
const shortWaitMs = 50
const longestWaitMs = 1000
/** Troubles of so long are ridden out. */
const patienceMs = 25_000
const failuresBeforeAnew = 4

/** Connects when it is used. */
export const openSteadyCluster = ({
  kafka,
  brokers,
  metadata,
  topics,
  onTrouble,
}: SteadyClusterOptions): SteadyCluster => {
  let isClosed = false

  const { connected, forget: forgetCluster } = openOnUse(() => openCluster(kafka, metadata, topics))

  const recover = async (cause: unknown, failures: number): Promise<void> => {
    onTrouble?.()
    if (failures % failuresBeforeAnew === failuresBeforeAnew - 1) return forgetCluster()
    try {
      const cluster = await connected()
      if (cause instanceof Error && 'host' in cause && 'port' in cause)
        cluster.removeBroker({ host: String(cause.host), port: Number(cause.port) })
      await cluster.refreshMetadata()
    } catch {
      await forgetCluster()
    }
  }

  return {
    persistently: async (work) => {
      for (let failures = 0, begun = performance.now(); ; failures++) {
        try {
          return await work(await connected())
        } catch (cause) {
          if (isClosed || !mayPass(cause, brokers) || performance.now() - begun > patienceMs) throw cause
          // The transaction before has been decided, and is still being written down.
          const isSoonOver = hasSign(cause, 'CONCURRENT_TRANSACTIONS')
          await setTimeout(Math.min(isSoonOver ? shortWaitMs : longestWaitMs, firstWaitMs * 2 ** failures))
          if (!isSoonOver) await recover(cause, failures)
        }
      }
    },
    close: async () => {
      isClosed = true
      await forgetCluster()
    },
  }
}

/** Whether the same may succeed later. What a broker refuses for good, and defects, do not. */
export const mayPass = (cause: unknown, brokers: readonly string[]): boolean => {
  if (asKafkaError(cause, { brokers, deed: 'cannot write' }).code !== 'LOG_UNAVAILABLE') return false
  if (!(cause instanceof Error) || !cause.name.startsWith('KafkaJS')) return false
  if (hasSign(cause, 'INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED')) return false
  return !(cause.name === 'KafkaJSProtocolError' && 'retriable' in cause && cause.retriable === false)
}
