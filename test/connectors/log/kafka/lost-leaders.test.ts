import { setTimeout } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { openKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import { ownBroker } from '../../../broker/shared-broker.ts'
import { range, readAll, record, texts } from '../log-world.ts'
import { kafkaPlace } from './kafka-harness.ts'

const nodes = 3
const partitions = 6
const writers = 3
/** Others lead its partitions by then. */
const awayMs = 4000

const broker = await ownBroker({ nodes })
afterAll(async () => {
  await broker?.stop()
})

describe.skipIf(broker === null)('records for many partitions that are appended at once', () => {
  it('stand once each when they were acknowledged, though every broker is killed while it leads some of them', async () => {
    const place = kafkaPlace(broker?.brokers ?? [])
    const log = await openKafkaLog({ ...place.options, partitions, timings: { metadata: 30_000 } })
    const acknowledged: string[] = []
    const tried = new Set<string>()
    let isOver = false
    /** One append holds a record for each partition. What was refused may stand or not: it is not tried again. */
    const write = async (writer: number): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const names = range(partitions).map((partition) => `${writer}-${n}-${partition}`)
        for (const name of names) tried.add(name)
        try {
          await log.append(names.map((name, partition) => record('in', name, partition)))
          acknowledged.push(...names)
        } catch {
          await setTimeout(100)
        }
      }
    }
    try {
      const writing = range(writers).map(write)
      for (let id = 1; id <= nodes; id++) {
        await setTimeout(1500)
        await broker?.kill(id)
        await setTimeout(awayMs)
        await broker?.start(id)
      }
      await setTimeout(1500)
      isOver = true
      await Promise.all(writing)
      const read = await Promise.all(range(partitions).map((partition) => readAll(log, { topic: 'in', partition })))
      const found = texts(read.flat())
      const stands = new Set(found)
      expect(acknowledged.length).toBeGreaterThan(partitions * 100)
      expect(acknowledged.filter((name) => !stands.has(name))).toEqual([])
      expect(found.length - stands.size).toBe(0)
      expect(found.filter((name) => !tried.has(name))).toEqual([])
      // Of each writer and partition in the order in which they were appended.
      for (const records of read)
        for (const writer of range(writers)) {
          const own = texts(records).filter((name) => name.startsWith(`${writer}-`))
          expect(own.map((name) => Number(name.split('-')[1]))).toEqual(
            own.map((name) => Number(name.split('-')[1])).toSorted((a, b) => a - b),
          )
        }
    } finally {
      isOver = true
      await log.close()
      await place.remove()
    }
  }, 180_000)
})
