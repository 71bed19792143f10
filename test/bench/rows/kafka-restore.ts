import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { firstValueFrom, take, toArray } from 'rxjs'
import { encode } from '../../../schemas/codec.ts'
import { topics } from '../../../schemas/topics.ts'
import { type Figure, paired } from '../measure.ts'
import { kafkaReadReference } from '../references.ts'
import { inTemporaryDir } from '../temporary-dir.ts'
import { benchPartitions, newPrefix, openBenchLog } from './kafka-place.ts'

const keys = 1_000_000
const writtenTogether = 2000
const mostMs = 15_000
const topology = { name: 'restored', inputs: [topics.flowEvents.name] }

const clientOf = (brokers: readonly string[]): Kafka =>
  new Kafka({ brokers: [...brokers], clientId: 'bare', logLevel: logLevel.NOTHING, retry: { retries: 30 } })

/** The changelog of a topology that remembers so many windows, as tasks write it. */
const writeWindows = async (brokers: readonly string[], changelog: string): Promise<void> => {
  const producer = clientOf(brokers).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  })
  await producer.connect()
  const value = Buffer.from(encode('Mark', { event: 'root/C.1111111111111111/F.D7KDSKSILR3TG/1776869007', at: 1 }))
  const each = Math.ceil(keys / benchPartitions)
  const writePartition = async (partition: number): Promise<void> => {
    const upTo = Math.min(keys, (partition + 1) * each)
    for (let at = partition * each; at < upTo; at += writtenTogether) {
      const count = Math.min(writtenTogether, upTo - at)
      const messages = Array.from({ length: count }, (_, n) => ({
        key: `swindow/soc/C.${String(at + n).padStart(16, '0')}/Linux.Sys.Users`,
        value,
        partition,
      }))
      await producer.send({ topic: changelog, messages, acks: -1 })
    }
  }
  for (let partition = 0; partition < benchPartitions; partition++) await writePartition(partition)
  await producer.disconnect()
}

/** A fresh process has every task at hand: keys a second. */
const restore = (brokers: readonly string[], prefix: string): Promise<number> =>
  inTemporaryDir(async (dir) => {
    const log = await openBenchLog(brokers, prefix, dir)
    const begun = performance.now()
    const tasks = await firstValueFrom(log.tasks(topology).pipe(take(benchPartitions), toArray()))
    const ms = performance.now() - begun
    let found = 0
    for (const { state } of tasks) for (const _ of state.range('window/', 'window0')) found++
    if (found !== keys) throw new Error(`${found} of ${keys} keys were restored`)
    await log.close()
    return (keys * 1000) / ms
  })

/** A consumer of the client alone reads the same changelog to its end. */
const readAll = async (brokers: readonly string[], prefix: string): Promise<number> => {
  const consumer = clientOf(brokers).consumer({ groupId: newPrefix(), maxWaitTimeInMs: 100 })
  await consumer.connect()
  await consumer.subscribe({ topics: [`${prefix}state.${topology.name}`], fromBeginning: true })
  const { promise, resolve } = Promise.withResolvers<number>()
  let seen = 0
  let begun = 0
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch: { messages } }) => {
      if (begun === 0) begun = performance.now()
      seen += messages.length
      if (seen >= keys) resolve((keys * 1000) / (performance.now() - begun))
    },
  })
  const rate = await promise
  await consumer.disconnect()
  return rate
}

/** How soon a process without a copy has the memory of a million windows. */
export const measureRestore = async (brokers: readonly string[]): Promise<readonly Figure[]> => {
  const prefix = newPrefix()
  await inTemporaryDir(async (dir) => {
    const log = await openBenchLog(brokers, prefix, dir)
    // Makes the changelog.
    await firstValueFrom(log.tasks(topology).pipe(take(benchPartitions), toArray()))
    await log.close()
  })
  await writeWindows(brokers, `${prefix}state.${topology.name}`)
  const measured = await paired(
    () => restore(brokers, prefix),
    () => readAll(brokers, prefix),
  )
  return [
    {
      name: 'kafka: restore',
      ...measured,
      unit: 'keys/s',
      bar: { least: (keys * 1000) / mostMs },
      reference: kafkaReadReference,
      note: `${keys} windows in a changelog, from joining to every task open with an empty state directory, against a kafkajs consumer that only counts`,
    },
  ]
}
