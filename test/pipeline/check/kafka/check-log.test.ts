import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkLog } from '../../../../pipeline/check/check-log.ts'
import { openFindings, type Finding } from '../../../../pipeline/check/finding.ts'
import type { KafkaLogSettings } from '../../../../pipeline/config/configuration.ts'
import { secretOf } from '../../../../pipeline/config/secret.ts'
import { lookAtTopics } from '../../../../pipeline/cli/topics-command.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { withTestAdmin } from '../../../connectors/log/kafka/kafka-harness.ts'

const brokers = await sharedBroker()

describe.skipIf(brokers === null)('relay check of a log on Kafka', () => {
  let settings: KafkaLogSettings
  beforeEach(() => {
    const prefix = `test-${randomUUID().slice(0, 8)}.`
    settings = { brokers: brokers ?? [], prefix, partitions: 2, stateDir: '/nowhere', tls: null, sasl: null }
  })
  afterEach(() =>
    withTestAdmin(brokers ?? [], async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(settings.prefix))
      if (names.length > 0) await admin.deleteTopics({ topics: names })
    }),
  )

  const found = async (change: Partial<KafkaLogSettings> = {}): Promise<readonly Finding[]> => {
    const all: Finding[] = []
    const embedded = { dir: '/nowhere', partitions: 4, maxSize: null }
    await checkLog(
      { embedded, kafka: { ...settings, ...change } },
      openFindings((finding) => void all.push(finding)),
    )
    return all
  }
  const failures = async (change: Partial<KafkaLogSettings> = {}): Promise<readonly string[]> =>
    (await found(change)).filter(({ kind }) => kind === 'failure').map(({ text }) => text)
  const flows = (): string => `${settings.prefix}events.flows`
  /** As a broker does for who writes to a topic that is not there. */
  const makeAsBrokersDo = (numPartitions: number): Promise<void> =>
    withTestAdmin(brokers ?? [], async (admin) => {
      await admin.createTopics({ topics: [{ topic: flows(), numPartitions }], waitForLeaders: false })
      while (!(await admin.listTopics()).includes(flows())) await setTimeout(20)
    })
  const make = () => lookAtTopics(settings, { make: true })

  it('says in one line that a new cluster has no topics yet, and what makes them', async () => {
    expect(await found()).toEqual([
      expect.objectContaining({
        kind: 'warning',
        text: expect.stringMatching(/^none of the \d+ topics .*relay topics/),
      }),
    ])
  })

  it('finds the topics that were made as they must be', async () => {
    await make()
    expect(await found()).toEqual([
      expect.objectContaining({ kind: 'ok', text: expect.stringMatching(/^(\d+) of \1 topics are as they must be$/) }),
    ])
  })

  it('names a topic that is missing among others', async () => {
    await make()
    await withTestAdmin(brokers ?? [], async (admin) => {
      await admin.deleteTopics({ topics: [flows()] })
      // Brokers know of it a moment later.
      while ((await admin.listTopics()).includes(flows())) await setTimeout(20)
    })
    expect((await found()).filter(({ kind }) => kind !== 'ok')).toMatchObject([
      { kind: 'warning', text: expect.stringContaining(flows()) as string },
    ])
  })

  it('names a topic with other partitions, how many it has, and what to do', async () => {
    await makeAsBrokersDo(5)
    expect(await failures()).toEqual([expect.stringMatching(/events\.flows has 5 partitions.* made with 2.*Set log/)])
  })

  it('names a topic that a broker made by itself', async () => {
    await makeAsBrokersDo(2)
    expect(await failures()).toEqual([
      expect.stringMatching(/events\.flows was made by nobody on purpose.*relay topics/),
    ])
  })

  it('names the brokers when none of them answers', async () => {
    expect(await failures({ brokers: ['127.0.0.1:1'] })).toEqual([expect.stringContaining('Kafka at 127.0.0.1:1')])
  })

  it('names the broker that offers no login, and not the password', async () => {
    const sasl = { mechanism: 'plain', username: 'relay', password: secretOf('open sesame') } as const
    const [text = '', ...others] = await failures({ sasl })
    expect(others).toEqual([])
    expect(text).toContain(`Kafka at ${brokers?.[0]}`)
    expect(text).toContain('sasl.mechanism')
    expect(text).not.toContain('sesame')
  })
})
