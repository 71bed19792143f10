import { inject } from 'vitest'
import { whyNoKafka } from './start-broker.ts'

/** The broker that all test files share, started by the first that asks; null: there is none to be had. In CI that is a failure. */
export const sharedBroker = async (): Promise<readonly string[] | null> => {
  const response = await fetch(inject('brokerService'))
  const { brokers } = (await response.json()) as { brokers: readonly string[] | null }
  if (brokers === null && process.env['CI'] !== undefined) throw new Error(whyNoKafka)
  return brokers
}
