import { describe } from 'vitest'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { eventLogContract } from '../../../contracts/event-log.contract.ts'
import { openKafkaHarness } from './kafka-harness.ts'

const brokers = await sharedBroker()

describe.skipIf(brokers === null)('on a real broker', () => {
  eventLogContract('the log on Kafka', () => openKafkaHarness(brokers ?? []))
})
