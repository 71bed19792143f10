import { inject } from 'vitest'
import type { Broker, BrokerOptions } from './broker.ts'
import { startOwnBroker, whyNoKafka } from './start-broker.ts'

/** The broker that all test files share, started by the first that asks; null: there is none to be had. In CI that is a failure. */
export const sharedBroker = async (): Promise<readonly string[] | null> => {
  const response = await fetch(inject('brokerService'))
  const { brokers } = (await response.json()) as { brokers: readonly string[] | null }
  if (brokers === null && process.env['CI'] !== undefined) throw new Error(whyNoKafka)
  return brokers
}

/** A broker of the file's own, which it may break; null: there is none to be had. In CI that is a failure. Its file stops it. */
export const ownBroker = async (options: BrokerOptions): Promise<Broker | null> => {
  try {
    return await startOwnBroker(options)
  } catch (cause) {
    if (process.env['CI'] !== undefined) throw cause
    console.log(`no broker of its own for this file: ${String(cause).slice(0, 300)}`)
    return null
  }
}
