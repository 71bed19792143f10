import { type Admin, KafkaJSProtocolError, KafkaJSRequestTimeoutError } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { checkTopics, topicSettings } from '../../../../connectors/log/kafka/topic-set.ts'

const wanted = [{ name: 'raptor.events', partitions: 2, settings: topicSettings({ keptMs: 1000 }) }]
const refused = (type: string, retriable: boolean): Error =>
  new KafkaJSProtocolError({ type, retriable, code: 0, message: type } as never)

/** A broker that takes a while to know the topic that it was told to make: each question fails as often as it is told. */
const slowBroker = (failures: { readonly made?: Error[]; readonly asked?: Error[]; readonly described?: Error[] }) => {
  const calls: string[] = []
  const answered = async <T>(name: string, errors: Error[] | undefined, answer: T): Promise<T> => {
    calls.push(name)
    const error = errors?.shift()
    if (error !== undefined) throw error
    return answer
  }
  const partitions = [{ leader: 1 }, { leader: 1 }]
  const config = { configName: 'cleanup.policy', configValue: 'delete', configSource: 1 }
  const admin = {
    listTopics: async () => [],
    createTopics: () => answered('make', failures.made, true),
    fetchTopicMetadata: () => answered('ask', failures.asked, { topics: [{ name: 'raptor.events', partitions }] }),
    describeConfigs: () =>
      answered('describe', failures.described, {
        resources: [{ resourceName: 'raptor.events', configEntries: [config] }],
      }),
  }
  return { admin: admin as unknown as Admin, calls }
}

describe('topics that are made', () => {
  it('are waited for while the broker is slow, or does not know them everywhere yet', async () => {
    const { admin, calls } = slowBroker({
      made: [
        new KafkaJSRequestTimeoutError('slow', {
          broker: 'b:1',
          clientId: 'c',
          correlationId: 1,
          createdAt: 1,
          sentAt: 1,
          pendingDuration: 1,
        }),
      ],
      asked: [refused('UNKNOWN_TOPIC_OR_PARTITION', true), refused('LEADER_NOT_AVAILABLE', true)],
      described: [refused('UNKNOWN_TOPIC_OR_PARTITION', true)],
    })
    expect(await checkTopics(admin, wanted, { make: true })).toEqual([{ name: 'raptor.events', is: 'made' }])
    expect(calls).toEqual(['make', 'make', 'ask', 'ask', 'ask', 'ask', 'describe', 'ask', 'describe'])
  })

  it('are not asked for again when the broker refuses them for good', async () => {
    const error = refused('INVALID_REPLICATION_FACTOR', false)
    const { admin, calls } = slowBroker({ made: [error] })
    await expect(checkTopics(admin, wanted, { make: true })).rejects.toBe(error)
    expect(calls).toEqual(['make'])
  })
})
