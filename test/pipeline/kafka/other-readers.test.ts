import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EventLog } from '../../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../../connectors/log/kafka-log.ts'
import { decide } from '../../../pipeline/decide.ts'
import { publishSchemas } from '../../../pipeline/runtime/decoding.ts'
import { encode, writersSchemas } from '../../../schemas/codec.ts'
import { allTopics, topics } from '../../../schemas/topics.ts'
import { javaTools } from '../../broker/java-tools.ts'
import { sharedBroker } from '../../broker/shared-broker.ts'
import { readAll } from '../../connectors/log/log-world.ts'
import { kafkaPlace, type KafkaPlace } from '../../connectors/log/kafka/kafka-harness.ts'
import { flowEvent } from '../../operators/flow-events.ts'
import { monitorWith } from '../monitors/flow-monitors.ts'

const run = promisify(execFile)
const brokers = await sharedBroker()
const tools = await javaTools()
const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const reader = /```python\n([^]*?)```/.exec(readme)?.[1] ?? ''
const partitions = 3

/** A folder with the packages that the reader needs, fetched once for each user; null, and said, where they cannot be had. */
const pythonPackages = async (): Promise<string | null> => {
  const packages = ['fastavro==1.13.1', 'confluent-kafka==2.16.1']
  const base = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'raptor-relay')
  const dir = join(base, `python-${packages.join('-').replaceAll('=', '')}`)
  if (existsSync(dir)) return dir
  mkdirSync(base, { recursive: true })
  const making = mkdtempSync(`${dir}-`)
  try {
    await run('python3', ['-m', 'pip', 'install', '-q', '--target', making, ...packages], { timeout: 200_000 })
    renameSync(making, dir)
    return dir
  } catch (cause) {
    rmSync(making, { recursive: true, force: true })
    if (existsSync(dir)) return dir
    console.log(`not run: a reader in Python (needs Python 3 with pip): ${String(cause).slice(0, 200)}`)
    return null
  }
}
const python = brokers === null ? null : await pythonPackages()

describe.skipIf(brokers === null)('the topics of a running relay', () => {
  let place: KafkaPlace
  let log: EventLog
  let stop: () => void = () => undefined
  beforeAll(async () => {
    place = kafkaPlace(brokers ?? [])
    log = await openKafkaLog({ ...place.options, topics: allTopics, partitions })
    await publishSchemas(log)
    const { clock, tell } = place.options
    const monitors = { FlowEvent: [monitorWith({ Recipients: ['soc@example.org'] }, { name: 'soc' })], AlertEvent: [] }
    await log.append(
      Array.from({ length: 20 }, (_, n) => ({
        topic: topics.flowEvents.name,
        key: `root/C.${n}`,
        value: encode('FlowEvent', flowEvent({ event: { id: `event ${n}`, told_once_as: `once ${n}` } })),
        partition: n % partitions,
      })),
    )
    const running = decide({ log, clock, tell, monitors: () => ({ monitors, configuration: 'c' }) }).subscribe({
      error: (cause: unknown) => console.error(cause),
    })
    stop = () => running.unsubscribe()
    const counted = async (): Promise<number> => {
      const found = Array.from({ length: partitions }, (_, partition) =>
        readAll(log, { topic: topics.outcomes.name, partition }),
      )
      return (await Promise.all(found)).flat().length
    }
    for (const deadline = performance.now() + 30_000; performance.now() < deadline && (await counted()) < 20;)
      await setTimeout(100)
    expect(await counted()).toBe(20)
  }, 60_000)
  afterAll(async () => {
    stop()
    await log.close()
    await place.remove()
  })

  it.skipIf(tools === null)(
    'have a group that Kafka’s own tools see: its member, and no lag when all is judged',
    async () => {
      const group = `${place.options.prefix}decide`
      const ask = (...more: readonly string[]) =>
        tools?.run(
          'kafka-consumer-groups.sh',
          '--bootstrap-server',
          (brokers ?? []).join(','),
          '--describe',
          '--group',
          group,
          ...more,
        )
      const lags = async (): Promise<readonly string[]> =>
        ((await ask())?.out ?? '')
          .split('\n')
          .map((line) => line.split(/\s+/))
          .filter(([, topic = '']) => topic.endsWith(topics.flowEvents.name))
          .map(([, , , , , lag = '']) => lag)
      // Positions are shown to the group once a second.
      let seen = await lags()
      for (const deadline = performance.now() + 20_000; seen.join() !== '0,0,0' && performance.now() < deadline;)
        seen = await lags()
      expect(seen).toEqual(['0', '0', '0'])
      expect((await ask('--members'))?.out).toContain('raptor-relay-test')
    },
    60_000,
  )

  it.skipIf(tools === null)(
    'give their records, key and value, to the console consumer',
    async () => {
      const topic = place.options.prefix + topics.schemas.name
      const ended = await tools?.run(
        'kafka-console-consumer.sh',
        ...['--bootstrap-server', (brokers ?? []).join(','), '--topic', topic, '--from-beginning'],
        ...['--isolation-level', 'read_committed', '--formatter-property', 'print.key=true'],
        ...['--max-messages', String(writersSchemas().size), '--timeout-ms', '30000'],
      )
      const lines = (ended?.out ?? '').split('\n').filter((line) => line !== '')
      expect(lines.length, ended?.err).toBe(writersSchemas().size)
      for (const line of lines) {
        const [key = '', schema = ''] = line.split('\t')
        expect(key).toMatch(/^[0-9a-f]{16}$/)
        expect(JSON.parse(schema)).toMatchObject({ type: 'record' })
      }
    },
    40_000,
  )

  it.skipIf(python === null)(
    'decode with what the topic of schemas says, by the README’s reader in Python',
    async () => {
      const file = join(place.options.stateDir, 'reader.py')
      writeFileSync(
        file,
        reader
          .replace('127.0.0.1:29092', (brokers ?? []).join(','))
          .replaceAll('raptor.', place.options.prefix)
          .replace('events.flows', topics.outcomes.name),
      )
      const { stdout } = await run('python3', [file], {
        env: { ...process.env, PYTHONPATH: python ?? '' },
        timeout: 40_000,
      })
      const found = stdout.split('\n').filter((line) => line.includes("'event': 'event "))
      expect(new Set(found.map((line) => /'event': '(event \d+)'/.exec(line)?.[1])).size).toBe(20)
      expect(stdout).toContain("'outcome': 'told'")
    },
    60_000,
  )
})
