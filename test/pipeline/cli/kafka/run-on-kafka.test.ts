import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { openKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import { openDemoWorld, type DemoWorld } from '../../../../pipeline/demo/demo-world.ts'
import type { Audit } from '../../../../pipeline/index/audit-work.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { decode, encode } from '../../../../schemas/codec.ts'
import type { Outcome } from '../../../../schemas/generated.ts'
import { allTopics, topics } from '../../../../schemas/topics.ts'
import { alertEvent } from '../../../operators/alert-events.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { readAll } from '../../../connectors/log/log-world.ts'
import { withTestAdmin } from '../../../connectors/log/kafka/kafka-harness.ts'

const brokers = await sharedBroker()
const main = join(import.meta.dirname, '../../../../pipeline/cli/relay.js')
const patience = 60_000

interface Mail {
  /** Its file. */
  readonly eml: string
}

const messageId = ({ eml }: Mail): string => /^message-id: *(\S+)/im.exec(readFileSync(eml, 'utf8'))?.[1] ?? ''

describe.skipIf(brokers === null)('the relay on Kafka', () => {
  const prefix = `test-${randomUUID().slice(0, 8)}.`
  let outputDir = ''
  let world: DemoWorld
  let mails: Mail[] = []
  let children: { readonly child: ChildProcess; readonly said: string[] }[] = []
  beforeEach(async () => {
    outputDir = mkdtempSync(join(tmpdir(), 'relay-letters-'))
    mails = []
    world = await openDemoWorld({ clock: systemClock(), outputDir, onMail: (mail) => void mails.push(mail) })
    const written = parse(readFileSync(world.configFile, 'utf8')) as Record<string, unknown>
    writeFileSync(world.configFile, stringify({ ...written, log: { kafka: { brokers, prefix, partitions: 3 } } }))
  })
  afterEach(async () => {
    for (const { child } of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    children = []
    await world.close()
    rmSync(outputDir, { recursive: true, force: true })
    await withTestAdmin(brokers ?? [], async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
      if (names.length > 0) await admin.deleteTopics({ topics: names })
    })
  })

  const relay = (...args: readonly string[]): { readonly child: ChildProcess; readonly said: string[] } => {
    const child = spawn(process.execPath, [main, ...args, '-c', world.configFile], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const said: string[] = []
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => void said.push(line))
    const started = { child, said }
    children.push(started)
    return started
  }
  const ended = async ({ child }: { readonly child: ChildProcess }): Promise<number | null> => {
    if (child.exitCode === null) await once(child, 'exit')
    return child.exitCode
  }
  const eventually = async (is: () => boolean, what: () => string): Promise<void> => {
    const deadline = performance.now() + patience
    while (!is()) {
      if (performance.now() > deadline) throw new Error(what())
      await setTimeout(50)
    }
  }
  const isReady = ({ said }: { readonly said: readonly string[] }): boolean =>
    said.some((line) => line.includes('relay ready'))

  const said = async (...args: readonly string[]): Promise<readonly string[]> => {
    const command = relay(...args)
    expect(await ended(command), command.said.join('\n')).toBe(0)
    return command.said
  }
  /** The commands that ask a log, beside the processes that run it. */
  const asks = async (event: string): Promise<void> => {
    const audit = JSON.parse((await said('audit', '--json')).at(-1) ?? '') as Audit
    // The completions and the alert; nothing of either is still to be judged.
    expect(audit).toMatchObject({ found: 0, events: world.events + 1, findings: [] })
    expect(audit.lanes.filter(({ topic, judged }) => topic === topics.alertEvents.name && judged > 0)).toHaveLength(1)
    expect(audit.lanes.filter(({ ahead }) => ahead > 0)).toEqual([])
    expect((await said('why', event)).join('\n')).toContain(`event ${event}`)
    const sums = async (): Promise<unknown> =>
      JSON.parse((await said('replay', '--from', '30d', '--json')).at(-1) ?? '')
    const first = await sums()
    expect(first).toMatchObject({ kind: 'sums', events: world.events, gained: 0, lost: 0, foreign: 0, unrecorded: 0 })
    expect((await said('replay', '--from', '30d', '--send', '--yes', '--again', '--name', 'test')).at(-1)).toContain(
      'on their way as replay test',
    )
    expect((await said('replay', '--from', '30d', '--send', '--yes', '--again', '--name', 'test')).at(-1)).toBe(
      'Nothing is to be sent.',
    )
  }

  it('makes and checks its topics, and writes every letter once with its stages in four processes', async () => {
    const missing = relay('topics', '--check')
    expect(await ended(missing)).toBe(1)
    expect(missing.said).toContainEqual(expect.stringContaining(`missing  ${prefix}events.flows`))
    const made = relay('topics')
    expect(await ended(made), made.said.join('\n')).toBe(0)
    const checked = relay('topics', '--check')
    expect(await ended(checked), checked.said.join('\n')).toBe(0)
    expect(checked.said).toContainEqual(`there    ${prefix}state.decide`)
    const topicsMade = checked.said.length

    const stages = ['decide,deliver', 'decide,deliver', 'enrich', 'collect']
    const processes = stages.map((names) => relay('run', '--since', '1h', '--stages', names))
    const all = (): string => processes.map(({ said }) => said.join('\n')).join('\n\n')
    await eventually(() => processes.every(isReady), all)
    const log = await openKafkaLog({
      brokers: brokers ?? [],
      prefix,
      partitions: 3,
      topics: allTopics,
      clientId: 'test',
      stateDir: outputDir,
      clock: systemClock(),
      tell: () => undefined,
    })
    const outcomes = async (): Promise<readonly Outcome[]> => {
      const read = await Promise.all(
        [0, 1, 2].map((partition) => readAll(log, { topic: topics.outcomes.name, partition })),
      )
      return read.flat().map(({ value }) => decode('Outcome', value))
    }
    const told = async (): Promise<{ events: string[]; notices: number; deliveries: number }> => {
      const all = await outcomes()
      const judged = all.filter(({ verdicts }) => verdicts.length > 0)
      const notices = judged.flatMap(({ verdicts }) => verdicts.flatMap((verdict) => verdict.notices)).length
      return {
        events: judged.map(({ event }) => event),
        notices,
        deliveries: all.flatMap(({ deliveries }) => deliveries).length,
      }
    }
    const alert = alertEvent()
    await log.append([{ topic: topics.alertEvents.name, key: alert.name, value: encode('AlertEvent', alert) }])
    const isAlertJudged = async (): Promise<boolean> => (await outcomes()).some(({ event }) => event === alert.id)
    const deadline = performance.now() + patience
    let found = await told()
    while (
      (found.events.length < world.events || found.deliveries < found.notices || !(await isAlertJudged())) &&
      performance.now() < deadline
    ) {
      await setTimeout(200)
      found = await told()
    }
    // What would come twice has time to.
    await setTimeout(2000)
    found = await told()
    await log.close()
    expect(found.events.length, all()).toBe(world.events)
    expect(new Set(found.events).size).toBe(world.events)
    expect(found.deliveries).toBe(found.notices)
    expect(mails.length).toBeGreaterThan(0)
    expect(new Set(mails.map(messageId)).size).toBe(mails.length)
    await asks(found.events[0] ?? '')
    // The run needed none but those that the command had made.
    expect(await said('topics', '--check')).toHaveLength(topicsMade)
    const names = await withTestAdmin(brokers ?? [], (admin) => admin.listTopics())
    expect(names.filter((name) => name.startsWith(prefix))).toHaveLength(topicsMade)
    for (const { child } of processes) child.kill('SIGTERM')
    expect(await Promise.all(processes.map(ended))).toEqual([0, 0, 0, 0])
  }, 240_000)
})
