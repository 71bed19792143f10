import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { topics } from '../../../schemas/topics.ts'
import { makeFlowWorld } from '../flow-world.ts'
import { type Figure, paired } from '../measure.ts'
import { rawRecord } from '../raw-record.ts'
import { inTemporaryDir } from '../temporary-dir.ts'
import type { CpuTerms } from './kafka-cpu-relay.ts'
import { counterOf, newPrefix, openBenchLog } from './kafka-place.ts'

const eventCount = 40_000
/** Of each process: until then it compiles what it runs, but only once. Fewer would count that four times against four processes. */
const leadIn = 20_000
const fedTogether = 1000
const rounds = 5
const processes = 4
const lookEveryMs = 200

const heard = async (child: ChildProcess): Promise<unknown> => {
  const exited = once(child, 'exit').then(() => {
    throw new Error('a process of the bench ended early')
  })
  const [said] = (await Promise.race([once(child, 'message'), exited])) as [unknown]
  return said
}

const cpuOf = async (children: readonly ChildProcess[]): Promise<number> => {
  const seconds = await Promise.all(
    children.map((child) => {
      child.send('cpu')
      return heard(child)
    }),
  )
  return seconds.reduce((sum: number, each) => sum + Number(each), 0)
}

/** Until both groups have that many members and are at rest. */
const joined = async (brokers: readonly string[], prefix: string, count: number): Promise<void> => {
  const admin = new Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  for (let calm = 0; calm < 5; await setTimeout(lookEveryMs)) {
    const { groups } = await admin.describeGroups([`${prefix}enrich`, `${prefix}decide`])
    calm = groups.every(({ state, members }) => state === 'Stable' && members.length === count) ? calm + 1 : 0
  }
  await admin.disconnect()
}

/** Processor seconds of all processes for 100,000 events, once they have joined and are warm. */
const cpuSeconds = (brokers: readonly string[], count: number): Promise<number> =>
  inTemporaryDir(async (dir) => {
    const prefix = newPrefix()
    const begin = Date.now() - 3_600_000
    const first = count * leadIn
    const terms: CpuTerms = { brokers, prefix, stateDir: dir, events: first + eventCount, begin }
    const { events } = makeFlowWorld(first + eventCount, { begin })
    const log = await openBenchLog(brokers, prefix, dir)
    const children = Array.from({ length: count }, () =>
      fork(join(import.meta.dirname, 'kafka-cpu-relay.ts'), [JSON.stringify(terms)], {
        execArgv: ['--disable-warning=TimeoutNegativeWarning'],
      }),
    )
    try {
      await Promise.all(children.map(heard))
      await joined(brokers, prefix, count)
      const counted = counterOf(log, topics.outcomes)
      const work = async (from: number, to: number): Promise<void> => {
        for (let at = from; at < to; at += fedTogether)
          await log.append(events.slice(at, Math.min(to, at + fedTogether)).map(rawRecord))
        while ((await counted()) < to) await setTimeout(lookEveryMs)
      }
      await work(0, first)
      const before = await cpuOf(children)
      await work(first, events.length)
      return (((await cpuOf(children)) - before) * 100_000) / eventCount
    } finally {
      await Promise.all(
        children.map(async (child) => {
          if (child.exitCode !== null) return
          const exited = once(child, 'exit')
          child.kill('SIGKILL')
          await exited
        }),
      )
      await log.close()
    }
  })

/** What it costs to share the work among processes, in processor time. */
export const measureCpu = async (brokers: readonly string[]): Promise<readonly Figure[]> => {
  const measured = await paired(
    () => cpuSeconds(brokers, 1),
    () => cpuSeconds(brokers, processes),
    rounds,
  )
  // One process is the baseline; the ratio that is bounded is four to one.
  return [
    {
      name: `kafka: CPU of ${processes} processes`,
      value: measured.baseline,
      baseline: measured.value,
      ratio: 1 / measured.ratio,
      unit: 's per 100,000 events',
      bar: { mostRatio: 1.3 },
      reference: null,
      note: `enrich and decide with 5 monitors over ${eventCount} events after ${leadIn} others a process, processor time of the processes by their own account, against one process`,
    },
  ]
}
