import type { Cluster, Kafka } from 'kafkajs'
import { ConnectorError } from '../../errors.ts'
import { openCluster } from './connection.ts'
import { fetching } from './fetch-pages.ts'
import { asKafkaError } from './kafka-errors.ts'
import { producing } from './produce-request.ts'

/** Which versions of each kind of request a broker speaks. */
type Spoken = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number } | undefined>>

/** Kinds of requests without which nothing goes, by Kafka's numbers: transactions, groups, and what says how topics were made. */
const neededKinds = [2, 3, 10, 11, 22, 24, 26, 32]
const metadataMs = 30_000

/** Rejects with ConnectorError LOG_DENIED when a broker is too old, or speaks nothing as old any more as is spoken here. */
export const admitVersions = async (kafka: Kafka, brokers: readonly string[]): Promise<void> => {
  try {
    const { cluster, close } = await openCluster(kafka, metadataMs)
    try {
      const { versions } = (cluster as Cluster & { readonly brokerPool: { readonly versions: Spoken } }).brokerPool
      admit(versions, brokers)
    } finally {
      await close()
    }
  } catch (cause) {
    throw asKafkaError(cause, { brokers, deed: 'cannot begin' })
  }
}

const admit = (spoken: Spoken, brokers: readonly string[]): void => {
  const kinds = [fetching, producing]
  const isOld =
    kinds.some(({ key, version }) => (spoken[key]?.maxVersion ?? -1) < version) ||
    neededKinds.some((key) => spoken[key] === undefined)
  const deny = (text: string): never => {
    throw new ConnectorError('LOG_DENIED', `Kafka at ${brokers.join(', ')}: ${text}`)
  }
  if (isOld) deny('the broker is too old: Kafka 3.9 or newer is needed')
  if (kinds.some(({ key, version }) => (spoken[key]?.minVersion ?? 0) > version))
    deny('the broker is newer than this relay can speak with: it is known to work with Kafka 3.9 to 4.4')
}
