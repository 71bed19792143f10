import { KafkaJSConnectionError, KafkaJSProtocolError, type Kafka } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { openTransactionLine } from '../../../../connectors/log/kafka/transaction-line.ts'

interface Batch {
  readonly topic: string
  readonly partition: number
  readonly firstSequence: number
  readonly values: readonly string[]
}

interface Asked {
  readonly topicData: readonly {
    readonly topic: string
    readonly partitions: readonly {
      readonly partition: number
      readonly firstSequence: number
      readonly messages: readonly { readonly value: Buffer }[]
    }[]
  }[]
}

/** Brokers of which each leads some partitions and may fail; what they were asked is kept in order. */
const openBrokers = (leaders: Map<number, string>) => {
  const asked: string[] = []
  const produced: { readonly leader: string; readonly batches: readonly Batch[] }[] = []
  const failing = new Map<string, () => Error | undefined>()
  const said = (what: string): void => {
    asked.push(what)
    const error = failing.get(what)?.()
    if (error !== undefined) throw error
  }
  const broker = (leader: string) => ({
    initProducerId: async () => {
      said('init')
      return { producerId: 7, producerEpoch: 1 }
    },
    addPartitionsToTxn: async () => said('add'),
    endTxn: async () => said('end'),
    produce: async ({ topicData }: Asked) => {
      const batches = topicData.flatMap(({ topic, partitions }) =>
        partitions.map(({ partition, firstSequence, messages }) => ({
          topic,
          partition,
          firstSequence,
          values: messages.map(({ value }) => value.toString()),
        })),
      )
      produced.push({ leader, batches })
      said(`produce ${leader}`)
      return {
        topics: topicData.map(({ topic, partitions }) => ({
          topicName: topic,
          partitions: partitions.map(({ partition, firstSequence }) => ({
            partition,
            baseOffset: String(100 * partition + firstSequence),
          })),
        })),
      }
    },
  })
  const cluster = {
    findGroupCoordinatorMetadata: async () => ({ coordinator: { nodeId: '1' } }),
    findBroker: async ({ nodeId }: { nodeId: string }) => broker(nodeId),
    findLeaderForPartitions: (_: string, [partition]: readonly number[]) => ({
      [leaders.get(partition ?? 0) ?? '']: [partition],
    }),
    addMultipleTargetTopics: async () => undefined,
    refreshMetadataIfNecessary: async () => undefined,
    refreshMetadata: async () => undefined,
    removeBroker: () => undefined,
  }
  const kafka = {
    consumer: ({ partitionAssigners: [assigner] }: { partitionAssigners: ((of: unknown) => unknown)[] }) => {
      assigner?.({ cluster })
      return { connect: async () => undefined, disconnect: async () => undefined }
    },
  } as unknown as Kafka
  return { kafka, asked, produced, failing }
}

const once = (error: Error): (() => Error | undefined) => {
  let isDue = true
  return () => (isDue ? ((isDue = false), error) : undefined)
}
const away = (): Error => new KafkaJSConnectionError('closed')
const refused = (type: string, retriable: boolean): Error =>
  new KafkaJSProtocolError({ type, retriable, code: 0, message: type } as never)
const share = (partition: number, ...values: readonly string[]) => ({
  topic: 'out',
  partition,
  records: values.map((value) => ({ key: Buffer.from('k'), value: Buffer.from(value) })),
})
const opened = (kafka: Kafka) =>
  openTransactionLine({ kafka, brokers: ['b:1'], transactionalId: 't', transactionTimeout: 1000, metadata: 1000 })

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
