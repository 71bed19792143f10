import { Kafka, logLevel } from 'kafkajs'
import { randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../../connectors/log/kafka-log.ts'
import { decide } from '../../../pipeline/decide.ts'
import { decode, encode, type SchemaName } from '../../../schemas/codec.ts'
import type { Schemas } from '../../../schemas/generated.ts'
import { allTopics, topics, type Topic } from '../../../schemas/topics.ts'
import { sharedBroker } from '../../broker/shared-broker.ts'
import { readAll } from '../../connectors/log/log-world.ts'
import { kafkaPlace, type KafkaPlace } from '../../connectors/log/kafka/kafka-harness.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { monitorWith } from '../monitors/flow-monitors.ts'

const brokers = await sharedBroker()
const partition = 1

describe.skipIf(brokers === null)('records that others wrote into a topic on Kafka', () => {
  let place: KafkaPlace
  let log: EventLog
  beforeEach(async () => {
    place = kafkaPlace(brokers ?? [])
    log = await openKafkaLog({ ...place.options, topics: allTopics, maxRecordBytes: 1_000_000 })
  })
  afterEach(async () => {
    await log.close()
    await place.remove()
  })

  const values = async <N extends SchemaName>(topic: Topic, name: N): Promise<readonly Schemas[N][]> =>
    (await readAll(log, { topic: topic.name, partition })).map(({ value }) => decode(name, value))

  it('are set aside with where they stood, and what follows them is read', async () => {
    const event = encode('FlowEvent', flowEvent({ event: { id: 'after them' } }))
    const written: readonly (readonly [string, Buffer | null])[] = [
      ['no marker', Buffer.from('{"hello": "there"}')],
      ['nothing at all', null],
      ['cut off', Buffer.from(event.subarray(0, event.length / 2))],
      ['huge', randomBytes(950_000)],
    ]
    const producer = new Kafka({
      clientId: 'other',
      brokers: [...(brokers ?? [])],
      logLevel: logLevel.NOTHING,
    }).producer()
    await producer.connect()
    const topic = place.options.prefix + topics.flowEvents.name
    for (const [key, value] of written) await producer.send({ topic, messages: [{ key, value, partition }] })
    // Without a key, and with a header, as other programs write.
    const messages = [{ value: Buffer.from(event), partition, headers: { origin: 'elsewhere' } }]
    await producer.send({ topic, messages })
    await producer.disconnect()

    let failure: unknown
    const { clock, tell } = place.options
    const monitors = { FlowEvent: [monitorWith({ Recipients: ['soc@example.org'] }, { name: 'soc' })], AlertEvent: [] }
    const running = decide({ log, clock, tell, monitors: () => ({ monitors, configuration: 'c' }) }).subscribe({
      error: (cause: unknown) => void (failure = cause),
    })
    try {
      for (const deadline = performance.now() + 25_000; performance.now() < deadline && failure === undefined;) {
        if ((await values(topics.outcomes, 'Outcome')).length > written.length) break
        await setTimeout(100)
      }
    } finally {
      running.unsubscribe()
    }
    expect(failure).toBeUndefined()
    const rejects = await values(topics.rejects, 'Reject')
    expect(rejects).toMatchObject(
      written.map(([key], offset) => ({ topic: topics.flowEvents.name, partition, offset, key })),
    )
    expect(rejects.map(({ reason }) => /marker|do not fit/.test(reason))).toEqual(written.map(() => true))
    expect(Buffer.from(rejects[3]?.bytes ?? [])).toEqual(written[3]?.[1]?.subarray(0, 800_000))
    const outcomes = await values(topics.outcomes, 'Outcome')
    expect(outcomes.map(({ verdicts }) => verdicts.map(({ outcome }) => outcome))).toEqual([
      ...written.map(() => ['rejected']),
      ['told'],
    ])
    expect(outcomes.at(-1)).toMatchObject({ event: 'after them', event_at: { partition, offset: written.length } })
  }, 60_000)
})
