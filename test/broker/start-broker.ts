import type { Broker, BrokerOptions } from './broker.ts'
import { startJarBroker } from './jar-broker.ts'
import { kafkaJars } from './kafka-jars.ts'

/** Why no broker could be had, for the end of a run. */
export const whyNoKafka = 'not run: Kafka (needs Docker, or Java 17 and Maven)'

const fixed = (brokers: readonly string[], kind: Broker['kind'], description: string, stop: Broker['stop']): Broker => {
  const cannot = (): never => {
    throw new Error(`nodes of ${description} cannot be killed or frozen`)
  }
  return { brokers, kind, description, kill: cannot, freeze: cannot, thaw: cannot, start: cannot, stop }
}

/** Whether a container engine answers; a `docker` command on the path proves nothing. */
const hasContainers = async (): Promise<boolean> => {
  try {
    const { getContainerRuntimeClient } = await import('testcontainers')
    await getContainerRuntimeClient()
    return true
  } catch {
    return false
  }
}

const startContainer = async (): Promise<Broker> => {
  const { GenericContainer, Wait } = await import('testcontainers')
  const { port, release } = await reservePort()
  await release()
  const listeners = 'PLAINTEXT://:9092,INSIDE://:9094,CONTROLLER://:9093'
  const container = await new GenericContainer('apache/kafka:4.3.1')
    .withExposedPorts({ container: 9092, host: port })
    .withEnvironment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_LISTENERS: listeners,
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port},INSIDE://localhost:9094`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INSIDE',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
    })
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .start()
  return fixed([`127.0.0.1:${port}`], 'container', 'Kafka in a container, 1 node', async () => {
    await container.stop()
  })
}

const reservePort = async (): Promise<{ port: number; release: () => Promise<void> }> => {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, release: () => new Promise((resolve) => void server.close(() => resolve())) }
}

/** A broker whose nodes the test may kill and freeze: always from jars. Rejects when there is none to be had. */
export const startOwnBroker = async (options: BrokerOptions): Promise<Broker> =>
  startJarBroker(await kafkaJars(), options)

/**
 * A real Kafka: the one that KAFKA_BROKERS names, else one in a container where an engine answers, else one from Maven
 * Central's jars on the loopback. Rejects when there is none to be had.
 */
export const startBroker = async (): Promise<Broker> => {
  const given = process.env['KAFKA_BROKERS']
  if (given !== undefined && given !== '')
    return fixed(given.split(','), 'given', `Kafka at KAFKA_BROKERS (${given})`, async () => undefined)
  if (await hasContainers())
    try {
      return await startContainer()
    } catch (cause) {
      // An engine that cannot have the image.
      console.log(`no Kafka in a container: ${String(cause).slice(0, 300)}`)
    }
  return startOwnBroker({ nodes: 1 })
}
