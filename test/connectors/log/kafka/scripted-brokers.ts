import { KafkaJSConnectionError, KafkaJSProtocolError, type Kafka } from 'kafkajs'

/** A batch that a broker was sent. */
export interface Batch {
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
export const openBrokers = (leaders: Map<number, string>) => {
  const asked: string[] = []
  const produced: { readonly leader: string; readonly batches: readonly Batch[] }[] = []
  const failing = new Map<string, () => Error | undefined>()
  /** Topics that were deleted. */
  const gone = new Set<string>()
  /** Codes of errors that partitions are answered with. */
  const codes = new Map<number, number>()
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
            errorCode: codes.get(partition) ?? 0,
            baseOffset: codes.has(partition) ? '-1' : String(100 * partition + firstSequence),
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
    findControllerBroker: async () => broker('1'),
    addMultipleTargetTopics: async (topics: readonly string[]) => {
      if (topics.some((topic) => gone.has(topic))) throw refused('UNKNOWN_TOPIC_OR_PARTITION', true)
    },
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
  return { kafka, asked, produced, failing, codes, gone }
}

/** Fails the first time only. */
export const once = (error: Error): (() => Error | undefined) => {
  let isDue = true
  return () => (isDue ? ((isDue = false), error) : undefined)
}
export const away = (): Error => new KafkaJSConnectionError('closed')
export const refused = (type: string, retriable: boolean): Error =>
  new KafkaJSProtocolError({ type, retriable, code: 0, message: type } as never)
