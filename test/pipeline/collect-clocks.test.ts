import { of } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { collect } from '../../pipeline/collect.ts'
import { anyQueue, flowCompletions, logSource, type QueueSource } from '../../pipeline/sources/queue-source.ts'
import { compilePattern } from '../../schemas/pattern.ts'
import { topics } from '../../schemas/topics.ts'
import { openStageWorld, type Running, type StageWorld, start } from './runtime/stage-world.ts'
import { away, completionRow, type HandVelociraptor, openHandVelociraptor } from './sources/hand-velociraptor.ts'

const minute = 60_000
const hour = 60 * minute

let world: StageWorld
beforeEach(() => {
  world = openStageWorld()
})

const run = (velociraptor: Velociraptor, source: QueueSource, orgs = ['root']): Running =>
  world.run(collect({ ...world.common, velociraptor, orgs, sources: of([source]), since: null }))

describe('an event stream', () => {
  let server: HandVelociraptor
  /** What the server's clock is ahead of ours, ms. */
  let ahead: number
  beforeEach(() => {
    server = openHandVelociraptor()
    ahead = 0
  })
  const serverNow = (): number => world.clock.now() + ahead
  const beats = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 2000) {
      for (const open of server.streams) open.beat(serverNow())
      await world.pass(2000)
    }
  }
  /** A flow that ends now, while nobody listens. */
  const endUnheard = (flow: string): void => {
    const row = { ...completionRow(flow, Math.floor(serverNow() / 1000)), _ts: serverNow() }
    server.history.push({ at: serverNow(), json: JSON.stringify(row) })
  }
  const breakOff = async (during: () => Promise<void>): Promise<void> => {
    server.failure = away
    for (const open of [...server.streams]) open.fail(away)
    await during()
    server.failure = null
    while (server.streams.length === 0) await world.pass(1000)
    await beats(20_000)
  }
  const flows = async (): Promise<readonly string[]> =>
    (await world.values(topics.rawFlowCompletions, 'RawEvent')).map(
      ({ row, origin }) => `${(JSON.parse(row) as { FlowId: string }).FlowId} ${origin}`,
    )

  it.each([
    ['an hour', hour],
    ['a month', 30 * 24 * hour],
  ])('whose server’s clock is set back by %s goes on from there', async (_, back) => {
    run(server, flowCompletions)
    await world.settle()
    await beats(minute)
    ahead = back
    await beats(minute)
    ahead = 0
    await beats(10 * minute)
    await breakOff(async () => {
      endUnheard('F.1')
      await world.pass(6 * hour)
    })
    expect(await flows()).toEqual(['F.1 history'])
  })

  it('whose server’s clock is set back while it is away is read back', async () => {
    run(server, flowCompletions)
    await world.settle()
    await beats(minute)
    ahead = 30 * 24 * hour
    await beats(minute)
    await breakOff(async () => {
      ahead = 0
      endUnheard('F.1')
      await world.pass(6 * hour)
    })
    expect(await flows()).toEqual(['F.1 history'])
  })

  it('of an organisation that is found begins before it was, though the server’s clock is behind ours', async () => {
    ahead = -hour
    server.orgs.push({ OrgId: 'root' })
    run(server, flowCompletions, ['*'])
    await world.settle()
    await beats(minute)
    server.orgs.push({ OrgId: 'O1' })
    endUnheard('F.1')
    await beats(2 * minute)
    const found = await world.values(topics.rawFlowCompletions, 'RawEvent')
    expect(found.map(({ org }) => org)).toEqual(['O1'])
  })

  it('begins now, though the server’s clock is ahead of ours and its first try failed', async () => {
    ahead = 24 * hour
    endUnheard('F.1')
    await world.pass(hour)
    server.failure = away
    run(server, flowCompletions)
    await world.pass(minute)
    endUnheard('F.2')
    server.failure = null
    while (server.streams.length === 0) await world.pass(1000)
    await beats(20_000)
    expect(await flows()).toEqual(['F.2 history'])
  })

  it('takes a row for a row, though it has a column like the heartbeat', async () => {
    const queue = 'Custom.Events'
    run(server, anyQueue(queue))
    await world.settle()
    await beats(20_000)
    for (const open of server.streams)
      open.text(JSON.stringify({ _Beat: 9_999_999_999, ClientId: 'C.1', _ts: start / 1000, _Queue: queue }))
    await beats(20_000)
    expect(await world.values(topics.rawQueueEvents, 'RawEvent')).toHaveLength(1)
  })
})

describe('logs', () => {
  let server: StandInWorld
  let ahead: number
  beforeEach(() => {
    ahead = hour
    server = createWorld({ now: start, clients: [{ client_id: 'C.1' }] })
  })
  const lines = async (): Promise<readonly string[]> =>
    (await world.values(topics.rawServerLogs, 'RawEvent')).map(
      ({ row }) => (JSON.parse(row) as { Message: string }).Message,
    )
  const log = (message: string): void =>
    server.log('root', 'server', 'X', { level: 'ERROR', message }, world.clock.now() + ahead)
  const source = logSource({
    of: 'server',
    periodMs: minute,
    selections: [{ concerns: () => true, levels: [compilePattern('ERROR')], selects: () => true }],
  })

  it('are read on when the server’s clock is set back', async () => {
    const clock = {
      now: () => world.clock.now() + ahead,
      at: (at: number, then: () => void) => world.clock.at(at - ahead, then),
    }
    run(standInVelociraptor(server, { clock }), source)
    await world.pass(minute)
    log('before')
    await world.pass(5 * minute)
    ahead = 0
    log('after')
    await world.pass(5 * minute)
    expect(await lines()).toEqual(['before', 'after'])
    await world.pass(2 * hour)
    expect(await lines()).toEqual(['before', 'after'])
  })
})
