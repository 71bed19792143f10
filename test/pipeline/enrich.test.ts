import { beforeEach, describe, expect, it } from 'vitest'
import { enrich } from '../../pipeline/enrich.ts'
import { mostEventBytes } from '../../pipeline/runtime/record-sizes.ts'
import { encode } from '../../schemas/codec.ts'
import { fingerprint } from '../../schemas/fingerprint.ts'
import type { FlowEvent, RawEvent } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { openStageWorld, type Running, type StageWorld, start } from './runtime/stage-world.ts'
import {
  away,
  completionRow,
  denied,
  flowRecord,
  type HandVelociraptor,
  openHandVelociraptor,
} from './sources/hand-velociraptor.ts'

const second = Math.floor(start / 1000)

let world: StageWorld
let server: HandVelociraptor
beforeEach(() => {
  world = openStageWorld()
  server = openHandVelociraptor()
  server.clients.set('C.1', {
    client_id: 'C.1',
    first_seen_at: 1_769_092_947,
    labels: ['prod'],
    os_info: { fqdn: 'host1.example.org', hostname: 'host1' },
  })
  server.flows.set('C.1 F.1', flowRecord())
  server.definitions.set('Linux.Search.FileFinder', {
    name: 'Linux.Search.FileFinder',
    required_permissions: ['EXECVE'],
    parameters: [],
  })
})

const run = (orgs: readonly string[] = ['root']): Running =>
  world.run(enrich({ ...world.common, velociraptor: server, orgs }))
const raw = (flow: string, more: Partial<RawEvent> = {}): RawEvent => ({
  org: 'root',
  queue: 'System.Flow.Completion',
  id: `root/C.1/${flow}/${second}`,
  received_at: second * 1000,
  read_at: start,
  origin: 'live',
  row: JSON.stringify(completionRow(flow, second)),
  ...more,
})
const put = async (...events: readonly RawEvent[]): Promise<void> => {
  await world.log.append(
    events.map((event) => ({
      topic: topics.rawFlowCompletions.name,
      key: 'root/C.1',
      value: encode('RawEvent', event),
    })),
  )
  await world.settle()
}
const events = (): Promise<readonly FlowEvent[]> => world.values(topics.flowEvents, 'FlowEvent')
const lookups = (): number => server.asked.filter(({ vql }) => vql.includes('FROM flows(')).length
const reasons = async (): Promise<readonly string[]> =>
  (await world.outcomes()).flatMap(({ verdicts }) => verdicts.map(({ reason }) => reason))

describe('a completion', () => {
  it('becomes an event with every fact', async () => {
    server.metadata.set('C.1', { owner: 'o@example.org' })
    server.hunts.set('H.2', { hunt_id: 'H.2', hunt_description: 'all', tags: ['notify_results'] })
    server.flows.set(
      'C.1 F.2.H',
      flowRecord({ query_stats: [{ status: 1, error_message: '', result_rows: 3, uploaded_files: 1 }] }),
    )
    run()
    await put(raw('F.2.H'))
    const [event] = await events()
    expect(event).toMatchObject({
      id: `root/C.1/F.2.H/${second}`,
      told_once_as: 'root/C.1/F.2.H/1776868947000000',
      org: 'root',
      org_name: 'root',
      received_at: second * 1000,
      completed_at: second * 1000,
      client: {
        id: 'C.1',
        known: true,
        fqdn: 'host1.example.org',
        labels: ['prod'],
        first_seen_at: 1_769_092_947_000,
        metadata: [{ field: 'owner', value: 'o@example.org' }],
      },
      flow: {
        id: 'F.2.H',
        state: 'FINISHED',
        created_at: 1_776_868_947_000,
        creator: 'analyst1',
        queries: [{ rows: 3, uploads: 1 }],
      },
      hunt: { id: 'H.2', known: true, tags: ['notify_results'] },
      definitions: [{ name: 'Linux.Search.FileFinder', known: true, required_permissions: ['EXECVE'] }],
    })
    expect(JSON.parse(event?.row ?? '')).toEqual(completionRow('F.2.H', second))
  })

  it('bears its organisation’s display name', async () => {
    server.orgs.push({ OrgId: 'O1', Name: 'Branch' })
    run()
    await put(raw('F.1', { org: 'O1', id: 'O1/C.1/F.1/1' }), raw('F.1', { org: 'O2', id: 'O2/C.1/F.1/1' }))
    expect((await events()).map(({ org, org_name }) => [org, org_name])).toEqual([
      ['O1', 'Branch'],
      ['O2', 'O2'],
    ])
  })

  it('of a server collection is told by its row alone', async () => {
    run()
    await put(
      raw('F.9', {
        id: 's',
        row: JSON.stringify({ ...completionRow('F.9', second, 'server'), Flow: { state: 2, create_time: 5_000_000 } }),
      }),
    )
    expect(await events()).toEqual([
      expect.objectContaining({
        client: expect.objectContaining({ id: 'server', known: false }),
        flow: expect.objectContaining({ state: 'FINISHED', created_at: 5000 }),
      }),
    ])
    expect(lookups()).toBe(0)
  })

  it('FC-68 that the source repeats is taken once, also in a later turn and after a restart', async () => {
    const first = run()
    await put(raw('F.1'), raw('F.1', { origin: 'history', received_at: second * 1000 + 412 }))
    await put(raw('F.1'))
    first.stop()
    await world.reopen()
    run()
    await put(raw('F.1'))
    expect(await events()).toHaveLength(1)
  })

  it('is looked up together with others, and definitions are asked for once', async () => {
    server.flows.set('C.1 F.2', flowRecord())
    run()
    await put(raw('F.1'), raw('F.2'))
    await put(raw('F.1', { id: 'again' }))
    expect((await events()).map(({ flow }) => flow.id)).toEqual(['F.1', 'F.2', 'F.1'])
    expect(lookups()).toBe(2)
    expect(server.asked.filter(({ vql }) => vql.includes('artifact_definitions('))).toHaveLength(1)
  })

  it('that comes with many others has its place among them, once', async () => {
    const flows = Array.from({ length: 120 }, (_, n) => `F.${n}`)
    for (const flow of flows) server.flows.set(`C.1 ${flow}`, flowRecord())
    run()
    await put(...flows.map((flow) => raw(flow)), raw('F.0'), raw('F.119'))
    expect((await events()).map(({ flow }) => flow.id)).toEqual(flows)
  })

  it('with numbers beyond what Avro takes is taken with the largest that it does', async () => {
    server.flows.set(
      'C.1 F.1',
      flowRecord({
        total_uploaded_bytes: 2 ** 64,
        total_collected_rows: Number.MAX_SAFE_INTEGER,
      }),
    )
    const running = run()
    await put(raw('F.1'))
    expect(running.failure()).toBeUndefined()
    expect((await events())[0]?.flow).toMatchObject({
      total_rows: Number.MAX_SAFE_INTEGER - 1,
      uploaded_bytes: Number.MAX_SAFE_INTEGER - 1,
    })
  })

  it('that would be too large for the log is set aside, and others go on', async () => {
    const env = Array.from({ length: 300 }, (_, n) => ({ key: `k${n}`, value: 'v'.repeat(4000) }))
    server.flows.set(
      'C.1 F.2',
      flowRecord({ request: { creator: 'a', artifacts: ['A'], specs: [{ artifact: 'A', parameters: { env } }] } }),
    )
    run()
    await put(raw('F.2'), raw('F.1'))
    expect((await events()).map(({ flow }) => flow.id)).toEqual(['F.1'])
    expect(await reasons()).toEqual([
      expect.stringMatching(new RegExp(`^the event has \\d+ bytes, more than ${mostEventBytes}$`)),
    ])
  })
})

describe('a flow that is not final', () => {
  it('FC-67 is waited for with growing waits, and completes with its end; nothing else waits for it', async () => {
    server.flows.set('C.1 F.2', flowRecord({ state: 'IN_PROGRESS' }))
    run()
    await put(raw('F.2'), raw('F.1'))
    expect((await events()).map(({ flow }) => flow.id)).toEqual(['F.1'])
    const times: number[] = []
    for (let n = 0, before = lookups(); n < 200; n++) {
      await world.pass(125)
      if (lookups() > before) times.push(world.clock.now() - start)
      before = lookups()
    }
    expect(times).toEqual([750, 2250, 5250, 11_250, 23_250])
    server.flows.set('C.1 F.2', flowRecord({ state: 'ERROR', status: 'boom' }))
    await world.pass(20_000)
    expect((await events()).map(({ flow }) => [flow.id, flow.state])).toEqual([
      ['F.1', 'FINISHED'],
      ['F.2', 'ERROR'],
    ])
    await world.pass(600_000)
    expect(await events()).toHaveLength(2)
  })

  it('is taken as it is after 60 s, and not before', async () => {
    server.flows.set('C.1 F.1', flowRecord({ state: 'RUNNING' }))
    run()
    await put(raw('F.1'))
    await world.pass(59_999)
    expect(await events()).toEqual([])
    await world.pass(1)
    expect((await events()).map(({ flow }) => flow.state)).toEqual(['RUNNING'])
  })

  it('is waited for across a restart', async () => {
    server.flows.set('C.1 F.1', flowRecord({ state: 'IN_PROGRESS' }))
    const first = run()
    await put(raw('F.1'))
    await world.pass(30_000)
    first.stop()
    await world.reopen()
    await world.pass(100_000)
    server.flows.set('C.1 F.1', flowRecord())
    run()
    await world.pass(0)
    expect((await events()).map(({ flow }) => flow.state)).toEqual(['FINISHED'])
  })

  it('is looked for again when the commit that set it aside is refused', async () => {
    server.flows.set('C.1 F.1', flowRecord({ state: 'IN_PROGRESS' }))
    world.failCommits('enrich', 'before', 'after', 'before')
    run()
    await put(raw('F.1'))
    await world.pass(10_000)
    server.flows.set('C.1 F.1', flowRecord())
    await world.pass(60_000)
    expect(await events()).toHaveLength(1)
  })
})

describe('a flow that is not found', () => {
  it('FC-66 is rejected after 60 s, with the reason and where it came from', async () => {
    run()
    await put(raw('F.404'))
    await world.pass(59_999)
    expect(await world.rejects()).toEqual([])
    await world.pass(1)
    expect(await world.rejects()).toEqual([
      expect.objectContaining({
        stage: 'enrich',
        topic: 'raw.flow-completions',
        partition: 0,
        offset: 0,
        reason: 'flow not found',
        key: 'root/C.1',
      }),
    ])
    expect(await world.outcomes()).toEqual([
      expect.objectContaining({
        event: `root/C.1/F.404/${second}`,
        client: 'C.1',
        flow: 'F.404',
        verdicts: [expect.objectContaining({ monitor: '', outcome: 'rejected', reason: 'flow not found' })],
      }),
    ])
    expect(await events()).toEqual([])
  })

  it('is told as such too when it is the client that is gone', async () => {
    server.clients.clear()
    run()
    await put(raw('F.1'))
    await world.pass(60_000)
    expect(await reasons()).toEqual(['client not found'])
  })

  it('is taken when it appears in time', async () => {
    run()
    await put(raw('F.2'))
    await world.pass(5000)
    server.flows.set('C.1 F.2', flowRecord())
    await world.pass(60_000)
    expect([await events(), await world.rejects()]).toMatchObject([[{ flow: { id: 'F.2' } }], []])
  })
})

describe('a record that cannot be read', () => {
  it.each([
    ['without a schema marker', Buffer.from('{"FlowId":"F.1"}'), /^no schema marker/],
    ['cut', encode('RawEvent', raw('F.1')).subarray(0, 30), /^bytes do not fit schema/],
    ['whose row is no JSON', encode('RawEvent', raw('F.1', { row: '{' })), /JSON/],
    ['whose row names no flow', encode('RawEvent', raw('F.1', { row: '{"ClientId":"C.1"}' })), /^FlowId is missing$/],
    ['whose row is a list', encode('RawEvent', raw('F.1', { row: '[]' })), /^the row is not an object$/],
  ])('%s is rejected with its origin and its bytes, and reading goes on', async (_, value, reason) => {
    run()
    await world.log.append([{ topic: topics.rawFlowCompletions.name, key: 'k', value }])
    await put(raw('F.1', { id: 'next' }))
    const [reject, ...more] = await world.rejects()
    expect(more).toEqual([])
    expect(reject).toMatchObject({
      stage: 'enrich',
      topic: 'raw.flow-completions',
      partition: 0,
      offset: 0,
      key: 'k',
      reason: expect.stringMatching(reason) as string,
    })
    expect(Buffer.from(reject?.bytes ?? [])).toEqual(Buffer.from(value))
    expect((await world.outcomes()).map(({ event_at, verdicts }) => [event_at.offset, verdicts[0]?.outcome])).toEqual([
      [0, 'rejected'],
    ])
    expect((await events()).map(({ id }) => id)).toEqual(['next'])
  })

  it('because nobody here knows its schema holds its partition, says so once, and goes on when the schema appears', async () => {
    const planted = JSON.stringify({
      name: 'raptor.relay.Mark',
      type: 'record',
      fields: [{ name: 'a_later_version', type: 'int' }],
    })
    const later = JSON.parse(
      JSON.stringify({
        name: 'raptor.relay.RawEvent',
        type: 'record',
        fields: [
          ...['org', 'queue', 'id'].map((name) => ({ name, type: 'string' })),
          ...['received_at', 'read_at'].map((name) => ({ name, type: 'long' })),
          {
            name: 'origin',
            type: { name: 'raptor.relay.Origin', type: 'enum', symbols: ['live', 'history', 'sweep'] },
          },
          { name: 'row', type: 'string' },
          { name: 'since_version_2', type: 'boolean' },
        ],
      }),
    ) as object
    const text = JSON.stringify(later)
    const body = Buffer.from(encode('RawEvent', raw('F.1'))).subarray(10)
    const header = Buffer.from([0xc3, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    header.writeBigUInt64LE(fingerprint(text), 2)
    const running = run()
    await world.log.append([
      { topic: topics.rawFlowCompletions.name, key: 'root/C.1', value: Buffer.concat([header, body, Buffer.of(1)]) },
    ])
    await put(raw('F.1', { id: 'behind' }))
    await world.pass(120_000)
    expect([await events(), await world.rejects()]).toEqual([[], []])
    expect(world.saidOf('schema unknown')).toEqual([
      {
        name: 'schema unknown',
        topic: 'raw.flow-completions',
        partition: 0,
        offset: 0,
        fingerprint: fingerprint(text).toString(16).padStart(16, '0'),
      },
    ])
    await world.log.append(
      [planted, 'no schema at all', text].map((schema, n) => ({
        topic: topics.schemas.name,
        key: `${n}`,
        value: Buffer.from(schema),
      })),
    )
    await world.pass(30_000)
    expect((await events()).map(({ id }) => id)).toEqual([raw('F.1').id, 'behind'])
    expect(running.failure()).toBeUndefined()
  })
})

describe('a server that is away', () => {
  it('is waited for, and its begin and its end are said once', async () => {
    server.failure = away
    run()
    await put(raw('F.1'))
    await world.pass(100_000)
    await put(raw('F.1', { id: 'behind' }))
    expect(await events()).toEqual([])
    server.failure = null
    await world.pass(30_000)
    expect((await events()).map(({ id }) => id)).toEqual([raw('F.1').id, 'behind'])
    expect(world.saidOf('lookups away')).toEqual([{ name: 'lookups away', org: 'root', reason: 'nothing listens' }])
    expect(world.saidOf('lookups back')).toHaveLength(1)
  })

  it('does not use up the time in which a flow is waited for', async () => {
    server.flows.set('C.1 F.1', flowRecord({ state: 'IN_PROGRESS' }))
    run()
    await put(raw('F.1'))
    server.failure = away
    await world.pass(300_000)
    server.failure = null
    server.flows.set('C.1 F.1', flowRecord())
    await world.pass(60_000)
    expect((await events()).map(({ flow }) => flow.state)).toEqual(['FINISHED'])
  })

  it('for good ends the stage, and nothing is committed', async () => {
    server.failure = denied
    const running = run()
    await put(raw('F.1'))
    expect(running.failure()).toBe(denied)
    server.failure = null
    run()
    await world.settle()
    expect(await events()).toHaveLength(1)
  })

  it('is not waited for by a stage that was stopped', async () => {
    server.failure = away
    const running = run()
    await put(raw('F.1'))
    running.stop()
    await world.settle()
    expect(world.clock.next()).toBeUndefined()
  })
})

describe('an organisation', () => {
  const ofO1 = raw('F.2', { org: 'O1', id: `O1/C.1/F.2/${second}` })

  it('that is gone ends nothing: what came from it is told with what there is, or why it is not', async () => {
    server.orgs.push({ OrgId: 'root', Name: '' })
    server.failureFor = ({ org }) => (org === 'O1' ? denied : null)
    const running = run(['*'])
    await put(ofO1, raw('F.1'))
    await world.pass(60_000)
    expect(running.failure()).toBeUndefined()
    expect((await events()).map(({ id }) => id)).toEqual([raw('F.1').id])
    expect(await reasons()).toEqual(['flow not found'])
  })

  it.each([
    ['is there', ['*'], [{ OrgId: 'root' }, { OrgId: 'O1' }]],
    ['was named', ['O1'], [{ OrgId: 'root' }]],
  ])('that %s and denies ends the stage', async (_, named, visible) => {
    server.orgs.push(...visible)
    server.failureFor = ({ org }) => (org === 'O1' ? denied : null)
    const running = run(named)
    await put(ofO1)
    expect(running.failure()).toBe(denied)
    expect(await events()).toEqual([])
  })

  it('is asked for its name itself: its user need not be one of the root organisation', async () => {
    server.orgs.push({ OrgId: 'O1', Name: 'Lab' })
    server.flows.set('C.1 F.2', flowRecord())
    server.failureFor = ({ org }) => (org === 'root' ? denied : null)
    const running = run(['O1'])
    await put(ofO1)
    expect(running.failure()).toBeUndefined()
    expect((await events()).map(({ org_name }) => org_name)).toEqual(['Lab'])
  })
})
