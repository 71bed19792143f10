import type { Kafka } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { openTransactionLine } from '../../../../connectors/log/kafka/transaction-line.ts'
import { away, once, openBrokers, refused } from './scripted-brokers.ts'

const notEnoughReplicas = 19
const share = (partition: number, ...values: readonly string[]) => ({
  topic: 'out',
  partition,
  records: values.map((value) => ({ key: Buffer.from('k'), value: Buffer.from(value) })),
})
const opened = (kafka: Kafka) =>
  openTransactionLine({
    kafka,
    brokers: ['b:1'],
    transactionalId: 't',
    transactionTimeout: 1000,
    metadata: 1000,
    topics: ['out'],
  })

describe('the transactions of a task', () => {
  it('ask each leader once for all its partitions, and know where every record stands', async () => {
    const brokers = openBrokers(
      new Map([
        [0, '1'],
        [1, '2'],
        [2, '1'],
      ]),
    )
    const line = await opened(brokers.kafka)
    expect(await line.commit([share(0, 'a', 'b'), share(1, 'c'), share(2, 'd')], 1)).toEqual([[0, 1], [100], [200]])
    expect(await line.commit([share(0, 'e')], 2)).toEqual([[2]])
    expect(brokers.asked).toEqual(['init', 'add', 'produce 1', 'produce 2', 'end', 'add', 'produce 1', 'end'])
  })

  it('send to the new leader what the old one did not answer, under the same number, and nothing else', async () => {
    const leaders = new Map([
      [0, '1'],
      [1, '2'],
    ])
    const brokers = openBrokers(leaders)
    const line = await opened(brokers.kafka)
    await line.commit([share(1, 'before')], 1)
    brokers.produced.length = 0
    brokers.failing.set('produce 2', () => {
      leaders.set(1, '1')
      return away()
    })
    expect(await line.commit([share(0, 'a'), share(1, 'b', 'c')], 2)).toEqual([[0], [101, 102]])
    const lost = { topic: 'out', partition: 1, firstSequence: 1, values: ['b', 'c'] }
    expect(brokers.produced).toEqual([
      { leader: '1', batches: [{ topic: 'out', partition: 0, firstSequence: 0, values: ['a'] }] },
      { leader: '2', batches: [lost] },
      { leader: '1', batches: [lost] },
    ])
  })

  it('send again what one partition of many was refused for now, and nothing that stands', async () => {
    const brokers = openBrokers(
      new Map([
        [0, '1'],
        [1, '1'],
      ]),
    )
    const line = await opened(brokers.kafka)
    brokers.codes.set(1, notEnoughReplicas)
    brokers.failing.set('produce 1', () => {
      if (brokers.produced.length > 1) brokers.codes.clear()
      return undefined
    })
    expect(await line.commit([share(0, 'a'), share(1, 'b')], 1)).toEqual([[0], [100]])
    expect(brokers.produced.map(({ batches }) => batches.map(({ partition }) => partition))).toEqual([[0, 1], [1]])
  })

  it('wait while the one before is still being written down, and ask again when an answer was lost', async () => {
    const brokers = openBrokers(new Map([[0, '1']]))
    const line = await opened(brokers.kafka)
    brokers.failing.set('add', once(refused('CONCURRENT_TRANSACTIONS', true)))
    brokers.failing.set('end', once(away()))
    expect(await line.commit([share(0, 'a')], 1)).toEqual([[0]])
    expect(brokers.asked).toEqual(['init', 'add', 'add', 'produce 1', 'end', 'end'])
  })

  it('are over at once when another writer has come', async () => {
    const brokers = openBrokers(new Map([[0, '1']]))
    const line = await opened(brokers.kafka)
    const fenced = refused('INVALID_PRODUCER_EPOCH', false)
    brokers.failing.set('produce 1', once(fenced))
    await expect(line.commit([share(0, 'a')], 1)).rejects.toBe(fenced)
    expect(brokers.asked).toEqual(['init', 'add', 'produce 1'])
  })
})
