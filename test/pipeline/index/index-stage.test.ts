import Sqlite from 'better-sqlite3'
import { existsSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  indexFileIn,
  inMemory,
  openIndex,
  openIndexForReading,
  type OutcomeIndex,
} from '../../../pipeline/index/outcome-index.ts'
import { openIndexWriter } from '../../../pipeline/index/index-writer.ts'
import { encode } from '../../../schemas/codec.ts'
import { topics } from '../../../schemas/topics.ts'
import { dumpOf } from './index-dump.ts'
import { flowOf, type IndexWorld, openIndexWorld } from './index-world.ts'
import { outcomeWith } from './outcomes.ts'

const faults: ('before' | 'after')[] = []
let world: IndexWorld
beforeEach(async () => {
  faults.length = 0
  world = await openIndexWorld({ commitFault: ({ topology }) => (topology === 'index' ? faults.shift() : undefined) })
})
afterEach(() => world.dispose())

const flows = (from: number, count: number) => Array.from({ length: count }, (_, n) => flowOf(from + n))

/** What an index must hold that knows every outcome of the log. */
const whole = async (): Promise<OutcomeIndex> => {
  const index = openIndex(inMemory)
  const writer = openIndexWriter(index)
  for (const { partition, offset, timestamp, value } of await world.outcomes())
    writer.apply(partition, index.applied(partition).next, [{ offset, timestamp, outcome: value }])
  return index
}

const partitionsOf = (name: 'log unavailable' | 'log available again') =>
  world
    .saidOf(name)
    .map(({ partition }) => ({ partition }))
    .toSorted((a, b) => Number(a.partition) - Number(b.partition))

const expectWhole = async (): Promise<void> => {
  const [kept, made] = [openIndexForReading(indexFileIn(world.dir)), await whole()]
  if (kept === null) throw new Error('there is no index')
  expect(dumpOf(kept)).toEqual(dumpOf(made))
  expect(kept.applied(0).next).toBeGreaterThan(0)
  kept.close()
  made.close()
}

describe('the index stage', () => {
  it('keeps every outcome, of verdicts and of deliveries', async () => {
    await world.run()
    await world.events(...flows(0, 20))
    await world.pass(60_000)
    await expectWhole()
  })

  it.each(['before', 'after'] as const)(
    'neither loses nor doubles when its own commits stand and those of its task fail, %s',
    async (when) => {
      await world.run()
      faults.push(when, when, when)
      await world.events(...flows(0, 20))
      await world.pass(60_000)
      await world.events(...flows(20, 5))
      await world.pass(60_000)
      expect(faults).toEqual([])
      await expectWhole()
    },
  )

  it('goes on after a kill where its index stands', async () => {
    await world.run()
    await world.events(...flows(0, 10))
    await world.pass(1000)
    await world.reopen()
    await world.run()
    await world.events(...flows(10, 10))
    await world.pass(60_000)
    await expectWhole()
  })

  it('reads what the index lacks, also when its task had read it', async () => {
    await world.run()
    await world.events(...flows(0, 10))
    await world.pass(60_000)
    await world.stop()
    rmSync(indexFileIn(world.dir))
    await world.run(['index'])
    await expectWhole()
  })

  it('makes the index anew that is deleted while it runs, with the next outcome', async () => {
    await world.run()
    await world.events(...flows(0, 10))
    await world.pass(60_000)
    rmSync(indexFileIn(world.dir))
    await world.events(...flows(10, 4))
    await world.pass(60_000)
    expect(existsSync(indexFileIn(world.dir))).toBe(true)
    await expectWhole()
  })

  it('begins anew when the index was made from another log', async () => {
    const other = openIndex(indexFileIn(world.dir))
    const foreign = { offset: 3, timestamp: 7, outcome: outcomeWith({ event: 'foreign', deliveries: [] }) }
    openIndexWriter(other).apply(0, 0, [foreign])
    other.close()
    await world.run()
    await world.events(...flows(0, 20))
    await world.pass(60_000)
    await expectWhole()
  })

  it('waits while its file takes nothing, and neither ends nor loses anything', async () => {
    await world.run()
    await world.events(...flows(0, 4))
    await world.pass(60_000)
    const other = new Sqlite(indexFileIn(world.dir))
    other.exec('BEGIN IMMEDIATE')
    await world.events(...flows(4, 4))
    await world.settle()
    const partitions = [{ partition: 0 }, { partition: 1 }]
    expect(partitionsOf('log unavailable')).toEqual(partitions)
    other.exec('COMMIT')
    other.close()
    await world.pass(60_000)
    expect(partitionsOf('log available again')).toEqual(partitions)
    await expectWhole()
  }, 60_000)

  it('passes over an outcome that cannot be read', async () => {
    await world.run()
    await world.log.append([{ topic: topics.outcomes.name, key: '', partition: 0, value: Buffer.from('nothing') }])
    await world.log.append([
      { topic: topics.outcomes.name, key: '', partition: 0, value: encode('Outcome', outcomeWith()) },
    ])
    await world.settle()
    const kept = openIndexForReading(indexFileIn(world.dir))
    expect(kept?.applied(0).next).toBe(2)
    expect([...(kept?.outcomes(0) ?? [])]).toEqual([1])
    kept?.close()
  })

  it('forgets what retention has removed from the log', async () => {
    const day = 86_400_000
    const stages = ['decide', 'deliver', 'index'] as const
    await world.run(stages)
    await world.events(...flows(0, 10))
    await world.pass(60_000)
    await world.reopen(20 * day)
    await world.run(stages)
    await world.events(...flows(10, 4))
    await world.pass(60_000)
    await world.reopen(11 * day)
    await world.run(stages)
    await world.pass(70_000)
    await world.events(flowOf(14))
    await world.pass(60_000)
    const kept = openIndexForReading(indexFileIn(world.dir))
    const outcomes = await world.outcomes()
    expect(outcomes.filter(({ value }) => value.flow === 'F.2')).toEqual([])
    for (const partition of [0, 1])
      expect([...(kept?.outcomes(partition) ?? [])]).toEqual(
        outcomes.filter((one) => one.partition === partition).map(({ offset }) => offset),
      )
    kept?.close()
  })
})
