import type { Kafka } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { openAppender } from '../../../../connectors/log/kafka/appender.ts'
import { openAppendLine } from '../../../../connectors/log/kafka/append-line.ts'
import { away, openBrokers } from './scripted-brokers.ts'

const tooLarge = 10
const outOfOrder = 45

const common = (kafka: Kafka) => ({ kafka, brokers: ['b:1'], metadata: 1000, now: () => 1 })
const opened = (kafka: Kafka) => openAppendLine({ ...common(kafka), topics: ['out'] })
const records = (...values: readonly string[]) =>
  values.map((value) => ({ key: Buffer.from('k'), value: Buffer.from(value) }))
const batch = (partition: number, ...values: readonly string[]) => ({
  topic: 'out',
  partition,
  records: records(...values),
})
const leaders = () =>
  new Map([
    [0, '1'],
    [1, '2'],
    [2, '1'],
  ])

describe('records from outside of a task', () => {
  it('go to each leader in one request for all its partitions', async () => {
    const brokers = openBrokers(leaders())
    const line = await opened(brokers.kafka)
    const all = [batch(0, 'a', 'b'), batch(1, 'c'), batch(2, 'd')]
    expect(await Promise.all(all.map((each) => line.write(each)))).toEqual([0, 100, 200])
    expect(await line.write(batch(0, 'e'))).toBe(2)
    expect(brokers.asked).toEqual(['init', 'produce 1', 'produce 2', 'produce 1'])
  })

  it('go to the new leader under the same number when the old one did not answer; what stands is not sent again', async () => {
    const led = leaders()
    const brokers = openBrokers(led)
    const line = await opened(brokers.kafka)
    await line.write(batch(1, 'before'))
    brokers.produced.length = 0
    brokers.failing.set('produce 2', () => {
      led.set(1, '1')
      return away()
    })
    expect(await Promise.all([line.write(batch(0, 'a')), line.write(batch(1, 'b', 'c'))])).toEqual([0, 101])
    const lost = { topic: 'out', partition: 1, firstSequence: 1, values: ['b', 'c'] }
    expect(brokers.produced).toEqual([
      { leader: '1', batches: [{ topic: 'out', partition: 0, firstSequence: 0, values: ['a'] }] },
      { leader: '2', batches: [lost] },
      { leader: '1', batches: [lost] },
    ])
  })

  it('stand when those of another partition in the same request are refused; a new writer goes on', async () => {
    const brokers = openBrokers(leaders())
    const appender = openAppender(common(brokers.kafka))
    brokers.codes.set(2, tooLarge)
    const both = await Promise.allSettled([
      appender.append('out', 0, records('a')),
      appender.append('out', 2, records('b')),
    ])
    expect(both).toEqual([
      { status: 'fulfilled', value: [0] },
      { status: 'rejected', reason: expect.objectContaining({ code: 'LOG_REFUSED' }) },
    ])
    brokers.codes.clear()
    expect(await appender.append('out', 2, records('c'))).toEqual([200])
    expect(brokers.asked).toEqual(['init', 'produce 1', 'init', 'produce 1'])
    // The new writer begins to count anew.
    expect(brokers.produced.at(-1)?.batches).toEqual([{ topic: 'out', partition: 2, firstSequence: 0, values: ['c'] }])
    await appender.close()
  })

  it('of a topic that is gone do not hold up those of another one', async () => {
    const brokers = openBrokers(leaders())
    const line = await opened(brokers.kafka)
    brokers.gone.add('deleted')
    const waiting = line.write({ ...batch(0, 'a'), topic: 'deleted' }).catch((cause: unknown) => cause)
    expect(await line.write(batch(0, 'b'))).toBe(0)
    await line.close()
    expect(await waiting).toMatchObject({ type: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('whose numbers the broker does not know any more are refused for now, and a new writer goes on', async () => {
    const brokers = openBrokers(leaders())
    const appender = openAppender(common(brokers.kafka))
    brokers.codes.set(0, outOfOrder)
    await expect(appender.append('out', 0, records('a'))).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
    brokers.codes.clear()
    expect(await appender.append('out', 0, records('b'))).toEqual([0])
    await appender.close()
  })

  it('of one partition go one batch after the other, holding all that waits', async () => {
    const brokers = openBrokers(leaders())
    const appender = openAppender(common(brokers.kafka))
    const first = appender.append('out', 0, records('a'))
    await Promise.resolve()
    const more = [appender.append('out', 0, records('b')), appender.append('out', 0, records('c', 'd'))]
    expect(await Promise.all([first, ...more])).toEqual([[0], [1], [2, 3]])
    expect(brokers.produced.flatMap(({ batches }) => batches.map(({ values }) => values))).toEqual([
      ['a'],
      ['b', 'c', 'd'],
    ])
    await appender.close()
  })
})
