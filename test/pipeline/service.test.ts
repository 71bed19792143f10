import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { readConfiguration } from '../../pipeline/config/read-configuration.ts'
import type { Configuration } from '../../pipeline/config/configuration.ts'
import { type Service, type ServiceOptions, stageNames, startService } from '../../pipeline/service.ts'
import type { Topology } from '../../connectors/log/event-log.ts'
import { topologies } from '../../pipeline/topologies.ts'
import { topics } from '../../schemas/topics.ts'
import { surroundingsOf } from './config/surroundings-of.ts'
import {
  accepted,
  type Answer,
  answering,
  denied as mailDenied,
  type HandSink,
  openHandSink,
  refused,
} from './mailing/mail-world.ts'
import { openStageWorld, type StageWorld, start } from './runtime/stage-world.ts'
import {
  completionRow,
  denied,
  flowRecord,
  type HandVelociraptor,
  openHandVelociraptor,
} from './sources/hand-velociraptor.ts'

const configured = (parameters: string): Configuration => {
  const text = `
velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://mail.example.org, from: relay@example.org, allowed_domains: [example.org] }
monitors:
  - { name: flows, artifact: Server.Monitor.FlowCompletion, parameters: ${parameters} }
`
  const { configuration, problems } = readConfiguration(text, surroundingsOf({ '/etc/relay/api.config.yaml': 'key' }))
  if (configuration === null) throw new Error(JSON.stringify(problems))
  return configuration
}

let world: StageWorld
let server: HandVelociraptor
let sink: HandSink
const open = (answer: Answer = answering(accepted)): void => {
  world = openStageWorld({ partitions: 2 })
  server = openHandVelociraptor()
  server.clients.set('C.1', {
    client_id: 'C.1',
    first_seen_at: 1_769_092_947,
    labels: [],
    os_info: { fqdn: 'host1.example.org' },
  })
  sink = openHandSink(world.clock, answer)
}
beforeEach(() => {
  open()
  vi.spyOn(performance, 'now').mockImplementation(() => world.clock.now())
})
afterEach(() => void vi.restoreAllMocks())

const begin = async (
  parameters = '{ Recipients: [soc@example.org] }',
  more: Partial<ServiceOptions> = {},
): Promise<Service> => {
  const configuration = configured(parameters)
  const channels = new Map(configuration.channels.map(({ name, from }) => [name, { name, from, sink }]))
  return startService(
    { ...world.common, velociraptor: server, channels },
    { configuration, stages: stageNames, since: null, ...more },
  )
}
const beats = async (ms: number): Promise<void> => {
  await world.settle()
  for (let passed = 0; passed < ms; passed += 2000) {
    for (const stream of server.streams) stream.beat(world.clock.now())
    await world.pass(2000)
  }
}
/** A flow completes: told live where somebody listens, and kept in history. */
const complete = (flow: string, record: object = {}): void => {
  const at = world.clock.now()
  const row = completionRow(flow, Math.floor(at / 1000))
  server.flows.set(`C.1 ${flow}`, flowRecord({ create_time: (at - 60_000) * 1000, ...record }))
  server.history.push({ at, json: JSON.stringify({ ...row, _ts: at }) })
  for (const stream of server.streams) stream.row(row)
}
const failureOf = (service: Service): Promise<unknown> => service.failed.catch((cause: unknown) => cause)

it('runs the topologies that are known by name, with as many tasks', async () => {
  const { log } = world.common
  const run = new Map<string, number>()
  const tasks: typeof log.tasks = (topology: Topology) => {
    run.set(topology.name, topology.slots ?? log.partitions)
    return log.tasks(topology)
  }
  const configuration = configured('{ Recipients: [soc@example.org] }')
  const service = await startService(
    { ...world.common, log: { ...log, tasks }, velociraptor: server, channels: new Map() },
    { configuration, stages: stageNames, since: null },
  )
  await service.stop()
  expect(run).toEqual(new Map(topologies.map(({ name, slots = log.partitions }) => [name, slots])))
})

describe('a service', () => {
  it('tells of a flow from its row to its mail, and accounts for it', async () => {
    await begin()
    await beats(2000)
    complete('F.1')
    complete('F.2', { state: 'ERROR', status: 'Cancelled by analyst2' })
    await beats(4000)
    expect(sink.given.map(({ mail }) => [mail.to.address, mail.from.address])).toEqual([
      ['soc@example.org', 'relay@example.org'],
    ])
    const outcomes = await world.outcomes()
    const verdicts = outcomes.flatMap(({ flow, verdicts: each }) =>
      each.map(({ outcome, objections }) => [flow, outcome, objections.map(({ by }) => by)]),
    )
    expect(verdicts).toEqual([
      ['F.1', 'told', []],
      ['F.2', 'objected', ['cancelled']],
    ])
    expect(outcomes.flatMap(({ flow, deliveries }) => deliveries.map(({ outcome }) => [flow, outcome]))).toEqual([
      ['F.1', 'told'],
    ])
  })

  it('publishes its schemas before it writes', async () => {
    await begin()
    const published = (await world.records(topics.schemas)).length
    expect(published).toBeGreaterThan(5)
  })

  it('lets creators be told only within the domains of the channel', async () => {
    await begin('{ Recipients: [soc@example.org], NotifyExecutor: true }')
    await beats(2000)
    complete('F.1', { request: { creator: 'a@example.org', artifacts: ['A'] } })
    complete('F.2', { request: { creator: 'b@lab.example.org', artifacts: ['A'] } })
    await beats(4000)
    expect(sink.given.map(({ mail }) => mail.to.address).toSorted()).toEqual([
      'a@example.org',
      'soc@example.org',
      'soc@example.org',
    ])
  })

  it('runs only the stages that it is told to', async () => {
    await begin(undefined, { stages: ['collect'] })
    await beats(2000)
    complete('F.1')
    await beats(4000)
    expect([await world.outcomes(), (await world.records(topics.rawFlowCompletions)).length]).toEqual([[], 1])
    expect(server.asked.some(({ vql }) => vql.includes('FROM flows('))).toBe(false)
  })

  it('goes on where it stopped, and tells of what completed meanwhile', async () => {
    const first = await begin()
    await beats(40_000)
    complete('F.1')
    await beats(2000)
    await first.stop()
    await world.reopen()
    complete('F.2')
    await world.pass(600_000)
    await begin()
    await beats(20_000)
    const told = (await world.outcomes()).filter(({ deliveries }) => deliveries.length > 0).map(({ flow }) => flow)
    expect(told).toEqual(['F.1', 'F.2'])
    expect(sink.given).toHaveLength(2)
  })

  it('fails with what Velociraptor denies', async () => {
    server.failure = denied
    const service = await begin()
    await world.settle()
    expect(await failureOf(service)).toBe(denied)
    await service.stop()
  })

  it('fails with what the mail server denies, and stops all the same', async () => {
    open(answering(mailDenied))
    const service = await begin()
    await beats(2000)
    complete('F.1')
    await beats(4000)
    expect(await failureOf(service)).toMatchObject({ code: 'MAIL_DENIED' })
    await service.stop()
    expect((await world.outcomes()).flatMap(({ deliveries }) => deliveries)).toEqual([])
  })

  it('that is stopped waits for the letter under way and its receipt, begins nothing more, and has not failed', async () => {
    const reply = Promise.withResolvers<typeof accepted>()
    open(() => reply.promise)
    const service = await begin()
    await beats(2000)
    for (const flow of ['F.1', 'F.2', 'F.3', 'F.4']) complete(flow)
    await beats(2000)
    const begun = sink.given.length
    let ended = ''
    void service.stop().then(() => (ended = 'stopped'))
    service.failed.catch(() => (ended = 'failed'))
    await world.pass(30_000)
    expect(ended).toBe('')
    reply.resolve(accepted)
    await world.settle()
    expect([ended, sink.given.length]).toEqual(['stopped', begun])
    const receipts = await world.values(topics.receipts, 'Receipt')
    expect(receipts.filter(({ kind }) => kind === 'accepted')).toHaveLength(begun)
  })
})

describe('whatever commits are refused and however often it stops', () => {
  it('every flow has one verdict, and every notice one delivery', async () => {
    const deed = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('flow' as const, 'cancelled flow' as const) },
      { weight: 2, arbitrary: fc.constantFrom('restart' as const, 'wait' as const) },
    )
    const fault = fc.tuple(fc.constantFrom(...stageNames), fc.constantFrom('before' as const, 'after' as const))
    await fc.assert(
      fc.asyncProperty(
        fc.array(deed, { maxLength: 8 }),
        fc.array(fault, { maxLength: 6 }),
        fc.boolean(),
        async (deeds, faults, isRefused) => {
          open(answering(isRefused ? refused : accepted))
          let service = await begin(undefined, { since: start - 1000 })
          await beats(4000)
          for (const [stage, when] of faults) world.failCommits(stage, when)
          const completed: string[] = []
          for (const each of deeds) {
            if (each === 'restart') {
              await service.stop()
              await world.reopen()
              service = await begin(undefined, { since: start - 1000 })
            } else if (each !== 'wait') {
              completed.push(`F.${completed.length}`)
              complete(
                completed.at(-1) ?? '',
                each === 'flow' ? {} : { state: 'ERROR', status: 'Cancelled by analyst2' },
              )
            }
            await beats(2000)
          }
          await beats(180_000)
          const outcomes = await world.outcomes()
          const judged = outcomes.filter(({ verdicts }) => verdicts.length > 0)
          expect(judged.map(({ flow }) => flow).toSorted()).toEqual(completed.toSorted())
          const notices = judged.flatMap(({ verdicts }) => verdicts.flatMap((verdict) => verdict.notices))
          const deliveries = outcomes.flatMap((outcome) => outcome.deliveries)
          expect(deliveries.map(({ notice }) => notice).toSorted()).toEqual(notices.toSorted())
          expect(deliveries.every(({ outcome }) => outcome === (isRefused ? 'undeliverable' : 'told'))).toBe(true)
          expect(sink.given).toHaveLength(notices.length)
          await service.stop()
          await world.log.close()
        },
      ),
      { numRuns: 40 },
    )
  })
})
