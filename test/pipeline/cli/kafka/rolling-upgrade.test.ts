import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { type Service, type StageName, startService } from '../../../../pipeline/service.ts'
import { encode } from '../../../../schemas/codec.ts'
import type { Happening } from '../../../../schemas/happenings.ts'
import { allTopics, topics } from '../../../../schemas/topics.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { fiveMonitors } from '../../../bench/configuration.ts'
import { makeFlowWorld } from '../../../bench/flow-world.ts'
import { readAll } from '../../../connectors/log/log-world.ts'
import { quickTimings, withTestAdmin } from '../../../connectors/log/kafka/kafka-harness.ts'
import { flowEvent } from '../../../operators/flow-events.ts'
import { outcomeWith } from '../../index/outcomes.ts'
import type { NewerWriter } from './newer-writer.ts'

const brokers = await sharedBroker()
const patience = 30_000
const partitions = 2

interface Case {
  readonly schema: NewerWriter['schema']
  /** Who reads it. */
  readonly stage: StageName
  readonly topic: string
  readonly value: object
  readonly encoded: () => Uint8Array
}

const event = (n: number) => flowEvent({ event: { id: `event ${n}`, told_once_as: `event ${n}` } })
const cases: readonly Case[] = [
  {
    schema: 'FlowEvent',
    stage: 'decide',
    topic: topics.flowEvents.name,
    value: event(2),
    encoded: () => encode('FlowEvent', event(1)),
  },
  {
    schema: 'Outcome',
    stage: 'index',
    topic: topics.outcomes.name,
    value: outcomeWith(),
    encoded: () => encode('Outcome', outcomeWith()),
  },
]

describe.skipIf(brokers === null)('while a newer version writes already', () => {
  const prefix = `test-${randomUUID().slice(0, 8)}.`
  let dir = ''
  let log: EventLog
  let told: Happening[] = []
  let service: Service | undefined
  const tell = (happening: Happening): void => void told.push(happening)
  const place = () => ({ brokers: brokers ?? [], prefix, partitions, stateDir: dir })
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'relay-rolling-'))
    told = []
    const clock = systemClock()
    log = await openKafkaLog({ ...place(), topics: allTopics, clientId: 'older', clock, tell, timings: quickTimings })
  })
  afterEach(async () => {
    await service?.stop()
    await log.close()
    rmSync(dir, { recursive: true, force: true })
    await withTestAdmin(brokers ?? [], async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
      if (names.length > 0) await admin.deleteTopics({ topics: names })
    })
  })

  /** How far a stage is in partition 0 of a topic, as Kafka's own tools see it. */
  const positionOf = async (stage: string, topic: string): Promise<number> => {
    const found = await withTestAdmin(brokers ?? [], (admin) =>
      admin.fetchOffsets({ groupId: prefix + stage, topics: [prefix + topic] }),
    )
    return Number(found[0]?.partitions.find(({ partition }) => partition === 0)?.offset ?? -1)
  }
  const eventually = async (is: () => Promise<boolean> | boolean, what: string): Promise<void> => {
    for (const deadline = performance.now() + patience; !(await is()); await setTimeout(100))
      if (performance.now() > deadline) throw new Error(`missing: ${what}; said: ${JSON.stringify(told)}`)
  }

  it.each(cases)(
    'a reader of $schema that does not know its schema holds the partition and says so, until it is published; nothing is rejected',
    async ({ schema, stage, topic, value, encoded }) => {
      const world = { log, tell, velociraptor: makeFlowWorld(0).velociraptor, channels: new Map() }
      service = await startService(
        { ...world, clock: systemClock(), random: Math.random },
        { configuration: fiveMonitors(), stages: [stage], since: null },
      )
      const terms: NewerWriter = { ...place(), stateDir: join(dir, 'newer'), schema, topic, value }
      const newer = fork(join(import.meta.dirname, 'newer-writer.ts'), [JSON.stringify(terms)])
      try {
        await once(newer, 'message')
        const ask = async (what: 'write' | 'publish'): Promise<void> => {
          newer.send(what)
          await once(newer, 'message')
        }
        await log.append([{ topic, key: 'older', partition: 0, value: encoded() }])
        await eventually(async () => (await positionOf(stage, topic)) === 1, 'the record of the present version')
        await ask('write')
        await log.append([{ topic, key: 'older', partition: 0, value: encoded() }])
        await eventually(() => told.some(({ name }) => name === 'schema unknown'), 'that a schema is unknown')
        expect(told.find(({ name }) => name === 'schema unknown')).toMatchObject({ topic, partition: 0, offset: 1 })
        expect(await positionOf(stage, topic)).toBe(1)
        await ask('publish')
        await eventually(async () => (await positionOf(stage, topic)) === 3, 'all records')
        const rejects = [0, 1].map((partition) => readAll(log, { topic: topics.rejects.name, partition }))
        expect((await Promise.all(rejects)).flat()).toEqual([])
        expect(told.filter(({ name }) => name === 'schema unknown')).toHaveLength(1)
      } finally {
        newer.kill('SIGKILL')
      }
    },
    90_000,
  )
})
