import type { Kafka } from 'kafkajs'
import { openCluster } from './connection.ts'
import { asKafkaError, hasSign } from './kafka-errors.ts'

/** What a broker is asked for: who keeps a group (0), or a transaction (1). */
interface CoordinatorQuestion {
  readonly groupId: string
  readonly coordinatorType: 0 | 1
}

/** A broker as the client has it; its types leave this out. */
interface AskedBroker {
  findGroupCoordinator(question: CoordinatorQuestion): Promise<unknown>
}

export interface Coordinated {
  readonly brokers: readonly string[]
  readonly group: string
  readonly transactionalId: string
  /** As of the client's other knowledge, ms. */
  readonly metadata: number
  /** Some that are there, at least one. */
  readonly topics: readonly string[]
}

/**
 * Asks whether a group and a transaction are permitted: the client that is denied them says that nobody keeps them, and goes on asking.
 * Rejects with ConnectorError LOG_DENIED that names what is missing, or LOG_UNAVAILABLE when no broker answers.
 */
export const admitCoordinated = async (
  kafka: Kafka,
  { brokers, group, transactionalId, metadata, topics }: Coordinated,
): Promise<void> => {
  const ask = async (broker: AskedBroker, deed: string, question: CoordinatorQuestion): Promise<void> => {
    try {
      await broker.findGroupCoordinator(question)
    } catch (cause) {
      // Whatever else it is, those who use them meet it again, and wait for its end.
      if (hasSign(cause, 'GROUP_AUTHORIZATION_FAILED', 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'))
        throw asKafkaError(cause, { brokers, deed })
    }
  }
  try {
    const { cluster, close } = await openCluster(kafka, metadata, topics)
    try {
      const broker = (await cluster.findControllerBroker()) as unknown as AskedBroker
      await ask(broker, `cannot take part in the group ${group}`, { groupId: group, coordinatorType: 0 })
      const deed = `cannot become the writer ${transactionalId}`
      await ask(broker, deed, { groupId: transactionalId, coordinatorType: 1 })
    } finally {
      await close()
    }
  } catch (cause) {
    throw asKafkaError(cause, { brokers, deed: `cannot begin with the group ${group}` })
  }
}
