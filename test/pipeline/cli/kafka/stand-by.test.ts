import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openKafkaLog } from '../../../../connectors/log/kafka-log.ts'
import type { EventLog } from '../../../../connectors/log/event-log.ts'
import { startStandIn, type StandIn } from '../../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { decode } from '../../../../schemas/codec.ts'
import { allTopics, topics } from '../../../../schemas/topics.ts'
import { sharedBroker } from '../../../broker/shared-broker.ts'
import { range, readAll } from '../../../connectors/log/log-world.ts'
import { withTestAdmin } from '../../../connectors/log/kafka/kafka-harness.ts'

const brokers = await sharedBroker()
const main = join(import.meta.dirname, '../../../../pipeline/cli/relay.js')
const patience = 60_000
const mostAwayMs = 15_000
const client = 'C.0000000000000001'

interface Collector {
  readonly child: ChildProcess
  readonly said: string[]
}

describe.skipIf(brokers === null)('two processes that collect', () => {
  const prefix = `test-${randomUUID().slice(0, 8)}.`
  const clock = systemClock()
  const world = createWorld({
    now: clock.now(),
    orgs: [{ id: 'root', name: 'root' }],
    clients: [{ org: 'root', client_id: client, os_info: { fqdn: 'client.example.org' } }],
  })
  let dir = ''
  let server: StandIn
  let log: EventLog
  let children: Collector[] = []
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'relay-stand-by-'))
    server = await startStandIn({ world, clock, dir, port: 0 })
    const yaml = `
velociraptor: { api_config: ${server.apiConfig}, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://127.0.0.1:25, tls: off, from: velociraptor@example.org }
log: { kafka: { brokers: [${(brokers ?? []).map((broker) => `'${broker}'`).join()}], prefix: ${prefix}, partitions: 3 } }
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
`
    writeFileSync(join(dir, 'relay.yaml'), yaml, { mode: 0o600 })
    log = await openKafkaLog({
      brokers: brokers ?? [],
      prefix,
      partitions: 3,
      topics: allTopics,
      clientId: 'test',
      stateDir: dir,
      clock,
      tell: () => undefined,
    })
  })
  afterEach(async () => {
    for (const { child } of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    children = []
    await log.close()
    await server.close()
    rmSync(dir, { recursive: true, force: true })
    await withTestAdmin(brokers ?? [], async (admin) => {
      const names = (await admin.listTopics()).filter((name) => name.startsWith(prefix))
      if (names.length > 0) await admin.deleteTopics({ topics: names })
    })
  })

  const collect = (): Collector => {
    const args = [main, 'run', '--stages', 'collect', '--since', '1h', '-c', join(dir, 'relay.yaml')]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const said: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => void said.push(line))
    const collector = { child, said }
    children.push(collector)
    return collector
  }
  const eventually = async (is: () => Promise<boolean> | boolean, what: string): Promise<void> => {
    for (const deadline = performance.now() + patience; !(await is()); await setTimeout(50))
      if (performance.now() > deadline)
        throw new Error(`missing: ${what}\n${children.map(({ said }) => said.join('\n')).join('\n\n')}`)
  }
  const completed: string[] = []
  /** A flow completes; answers with its id. */
  const complete = (): string => {
    const flow = `F.STANDBY${String(completed.length).padStart(6, '0')}`
    const request = { creator: 'analyst1', artifacts: ['Linux.Sys.Users'], specs: [] }
    world.set({ flows: [{ org: 'root', client_id: client, session_id: flow, request }] })
    world.emit('root', 'System.Flow.Completion', { ClientId: client, FlowId: flow }, clock.now())
    completed.push(flow)
    return flow
  }
  const collected = async (): Promise<string[]> => {
    const topic = topics.rawFlowCompletions.name
    const records = await Promise.all(range(3).map((partition) => readAll(log, { topic, partition })))
    return records.flat().map(({ value }) => {
      const { row } = decode('RawEvent', value)
      return (JSON.parse(row) as { readonly FlowId: string }).FlowId
    })
  }
  const saysOf = ({ said }: Collector, name: string): number => said.filter((line) => line.includes(`"${name}"`)).length

  it('one of which is killed: the other takes over within 15 s and reads back what was missed, each event once', async () => {
    const first = collect()
    await eventually(() => saysOf(first, 'relay ready') > 0, 'the first to be ready')
    const flow = complete()
    await eventually(async () => (await collected()).includes(flow), 'the first event')
    const second = collect()
    await eventually(() => saysOf(second, 'relay ready') > 0, 'the second to be ready')
    // The queue may have moved to it: whoever is in sync last has it.
    const another = complete()
    await eventually(async () => (await collected()).includes(another), 'the second event')
    await setTimeout(3000)
    const owner = saysOf(second, 'source in sync') > 0 ? second : first
    const killedAt = performance.now()
    owner.child.kill('SIGKILL')
    const missed = complete()
    await eventually(async () => (await collected()).includes(missed), 'what was missed')
    const awayMs = performance.now() - killedAt
    const live = complete()
    await eventually(async () => (await collected()).includes(live), 'what comes after')
    console.log(`the stand-by had what was missed ${Math.round(awayMs)} ms after the kill`)
    expect(awayMs).toBeLessThan(mostAwayMs)
    expect((await collected()).toSorted()).toEqual(completed.toSorted())
  }, 180_000)
})
