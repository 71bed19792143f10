import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import type { Broker } from './broker.ts'
import { startBroker, whyNoKafka } from './start-broker.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where a test file asks for the broker that all share. */
    readonly brokerService: string
  }
}

/** Starts one broker for all files when the first of them asks, and says at the end what served, or that nothing did. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  let starting: Promise<Broker> | undefined
  let why: unknown
  const answer = async (): Promise<{ brokers: readonly string[] | null }> => {
    starting ??= startBroker()
    try {
      return { brokers: (await starting).brokers }
    } catch (cause) {
      why = cause
      return { brokers: null }
    }
  }
  const server = createServer((_, response) => {
    void answer().then((found) => response.end(JSON.stringify(found)))
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  server.unref()
  project.provide('brokerService', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)

  return async () => {
    server.closeAllConnections()
    server.close()
    if (starting === undefined) return
    const broker = await starting.catch(() => undefined)
    if (broker === undefined) console.log(`${whyNoKafka}: ${why instanceof Error ? why.message.split('\n')[0] : ''}`)
    else console.log(`Kafka tests ran on: ${broker.description}`)
    await broker?.stop()
    if (broker?.kind !== 'container') console.log('not run: containers')
  }
}
