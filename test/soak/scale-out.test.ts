import { setTimeout } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { sharedBroker } from '../broker/shared-broker.ts'
import { quickTimings, withTestAdmin } from '../connectors/log/kafka/kafka-harness.ts'
import { scaleOut } from './scale-out.ts'

const brokers = await sharedBroker()
const frozenMs = 4000

it.skipIf(brokers === null)(
  'a few processes, one killed and one frozen until it is a zombie, come to what one embedded process comes to',
  async () => {
    const begin = Math.floor(Date.now() / 1000) * 1000 - 3_600_000
    const terms = { brokers: brokers ?? [], partitions: 3, seed: 7, events: 300, begin, timings: quickTimings }
    const { wrong, facts } = await scaleOut({ ...terms, feedMs: 12_000, say: () => undefined }, async (run) => {
      await run.start('all').ready
      // Who sends no letters leaves no claim behind that must run out.
      const killed = run.start('killed', ['enrich', 'decide'])
      const frozen = run.start('frozen', ['enrich', 'decide'])
      await Promise.all([killed.ready, frozen.ready])
      await setTimeout(1000)
      await run.end(killed, 'SIGKILL')
      frozen.child.kill('SIGSTOP')
      await setTimeout(frozenMs)
      frozen.child.kill('SIGCONT')
    })
    await withTestAdmin(brokers ?? [], async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(`scale-7-${begin}.`))
      await admin.deleteTopics({ topics: names })
    })
    expect(wrong).toEqual([])
    expect(facts['doubles']).toBe(0)
  },
  180_000,
)
