import { BehaviorSubject, Observable, of } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { collect, type CollectOptions } from '../../pipeline/collect.ts'
import { mostRowBytes } from '../../pipeline/runtime/record-sizes.ts'
import { alerts, anyQueue, flowCompletions } from '../../pipeline/sources/queue-source.ts'
import type { RawEvent } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { openStageWorld, type Running, type StageWorld, start } from './runtime/stage-world.ts'
import {
  away,
  completionRow,
  denied,
  type HandVelociraptor,
  openHandVelociraptor,
  type Stream,
} from './sources/hand-velociraptor.ts'

const second = Math.floor(start / 1000)
const minute = 60_000

let world: StageWorld
let server: HandVelociraptor
beforeEach(() => {
  world = openStageWorld()
  server = openHandVelociraptor()
})

const run = (more: Partial<CollectOptions> = {}): Running =>
  world.run(
    collect({
      ...world.common,
      velociraptor: server,
      orgs: ['root'],
      sources: of([flowCompletions]),
      since: null,
      ...more,
    }),
  )
const collected = (): Promise<readonly RawEvent[]> => world.values(topics.rawFlowCompletions, 'RawEvent')
const flows = async (): Promise<readonly string[]> =>
  (await collected()).map(({ row, origin }) => `${(JSON.parse(row) as { FlowId: string }).FlowId} ${origin}`)
const stream = (): Stream => {
  const [open, ...more] = server.streams
  if (open === undefined || more.length > 0) throw new Error(`${server.streams.length} streams are open`)
  return open
}
/** Keeps a row in the server's history, as it reads it back: with milliseconds. */
const keep = (flow: string, at: number): void => {
  const row = { ...completionRow(flow, Math.floor(at / 1000)), _ts: at }
  server.history.push({ at, json: JSON.stringify(row) })
}
/** A stream whose server beats each 2 s. */
const beats = async (ms: number): Promise<void> => {
  for (let passed = 0; passed < ms; passed += 2000) {
    for (const open of server.streams) open.beat(world.clock.now())
    await world.pass(Math.min(2000, ms - passed))
  }
}
const historyFroms = (): readonly number[] =>
  server.asked.filter(({ vql }) => vql.includes('monitoring(client_id')).map(({ env }) => Number(env?.['FromMs']))

describe('a first run', () => {
  it('begins now: it tells what comes from then on, and says so', async () => {
    keep('F.0', start - 1000)
    run()
    await world.settle()
    await beats(4000)
    stream().row(completionRow('F.1', second + 4))
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 live'])
    expect(world.saidOf('collect begins')).toEqual([
      { name: 'collect begins', org: 'root', queue: 'System.Flow.Completion', at: new Date(start).toISOString() },
    ])
  })

  it('begins where it is told, and reads history from there', async () => {
    for (const [n, minutes] of [61, 59, 1].entries()) keep(`F.${n}`, start - minutes * minute)
    run({ since: start - 60 * minute })
    await world.settle()
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 history', 'F.2 history'])
    expect(world.saidOf('source in sync')).toHaveLength(1)
  })

  it('keeps what came before its first commit when that commit is refused', async () => {
    run()
    await world.settle()
    world.failCommits('collect', 'before')
    stream().beat(start)
    stream().row(completionRow('F.1', second))
    keep('F.1', start + 1)
    await world.settle()
    expect(await flows()).toEqual([])
    await world.pass(2000)
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 history'])
    expect(world.saidOf('collect begins')).toHaveLength(1)
  })
})

describe('a later run', () => {
  it('goes on from its cursor, less five minutes, and appends nothing twice', async () => {
    const first = run()
    await world.settle()
    await beats(4000)
    stream().row(completionRow('F.1', second + 4))
    keep('F.1', start + 4300)
    await beats(120_000)
    first.stop()
    await world.reopen()
    const downFrom = world.clock.now()
    keep('F.2', downFrom + minute)
    await world.pass(60 * minute)
    run()
    await world.settle()
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 live', 'F.2 history'])
    const [, , from] = historyFroms()
    expect(from).toBeGreaterThan(downFrom - 6 * minute)
    expect(from).toBeLessThan(downFrom - 5 * minute)
  })

  it('reads history once more when what was told live must have reached the server’s disk', async () => {
    run({ since: start - minute })
    await world.settle()
    await beats(4000)
    keep('F.late', start - 10_000)
    await beats(4000)
    expect(await flows()).toEqual([])
    await beats(4000)
    expect(await flows()).toEqual(['F.late history'])
    expect(world.saidOf('source in sync')).toHaveLength(1)
  })

  it('begins where it is told only once', async () => {
    const first = run({ since: start - 60 * minute })
    await world.settle()
    await beats(20_000)
    first.stop()
    keep('F.0', start - 50 * minute)
    run({ since: start - 60 * minute })
    await world.settle()
    await beats(20_000)
    expect(await flows()).toEqual([])
  })
})

describe('rows and cursor', () => {
  it.each(['before', 'after'] as const)(
    'are one commit: refused %s it stands, nothing is lost and nothing comes twice',
    async (when) => {
      run()
      await world.settle()
      await beats(40_000)
      world.failCommits('collect', when)
      stream().row(completionRow('F.1', second + 40))
      keep('F.1', start + 40_100)
      await beats(40_000)
      expect((await flows()).map((flow) => flow.split(' ')[0])).toEqual(['F.1'])
    },
  )

  it('move on with beats only once the queue is in sync, so that an outage within is read back', async () => {
    run()
    await world.settle()
    await beats(60_000)
    stream().fail(away)
    keep('F.1', start + 61_000)
    server.failure = away
    await world.pass(20 * minute)
    server.failure = null
    let isBroken = true
    server.failureFor = ({ vql }) => (isBroken && vql.includes('monitoring(client_id') ? away : null)
    while (server.streams.length === 0) await world.pass(1000)
    await beats(2000)
    isBroken = false
    while (server.streams.length === 0) await world.pass(1000)
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 history'])
  })
})

describe('a row', () => {
  it('that comes live, from history and again is appended once', async () => {
    run()
    await world.settle()
    await beats(2000)
    for (const _ of [1, 2]) stream().row(completionRow('F.1', second + 2))
    keep('F.1', (second + 2) * 1000 + 734)
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 live'])
  })

  it('is kept verbatim, with its identity and its times', async () => {
    run()
    await world.settle()
    await beats(2000)
    const text = `{"Timestamp":${second}.25, "ClientId":"C.1","FlowId":"F.1","n":12345678901234567890,"_ts":${second},"_Queue":"System.Flow.Completion"}`
    stream().text(text)
    await beats(2000)
    expect(await collected()).toMatchObject([
      {
        org: 'root',
        queue: 'System.Flow.Completion',
        id: `root/C.1/F.1/${second}`,
        received_at: second * 1000,
        read_at: start + 2000,
        origin: 'live',
        row: text,
      },
    ])
    expect((await world.records(topics.rawFlowCompletions)).map(({ key }) => key)).toEqual(['root/C.1'])
  })

  it.each([
    ['names no client', `{"FlowId":"F.1","_Queue":"System.Flow.Completion"}`, 'ClientId is missing'],
    ['is no object', `[1]`, 'the row is not an object'],
    ['is no JSON', `{"FlowId":`, 'the row is not an object'],
    [
      'has a time that is none',
      `{"ClientId":"C.1","FlowId":"F.1","Timestamp":-1,"_Queue":"System.Flow.Completion"}`,
      'Timestamp is not a time between 1970 and 9999',
    ],
  ])('that %s is set aside once, however often it comes, and others go on', async (_, text, reason) => {
    const running = run()
    await world.settle()
    await beats(2000)
    stream().text(text)
    server.history.push({ at: start + 2000, json: text })
    stream().row(completionRow('F.1', second + 2))
    await beats(20_000)
    expect(running.failure()).toBeUndefined()
    expect(await flows()).toEqual(['F.1 live'])
    expect(
      (await world.rejects()).map((reject) => [reject.stage, reject.reason, Buffer.from(reject.bytes).toString()]),
    ).toEqual([['collect', reason, text]])
    expect((await world.outcomes()).map(({ verdicts }) => verdicts[0]?.outcome)).toEqual(['rejected'])
  })

  it('that is too large for the log is kept without what can be looked up', async () => {
    const running = run()
    await world.settle()
    await beats(2000)
    stream().row({ ...completionRow('F.1', second + 2), Flow: { blob: 'x'.repeat(3 * mostRowBytes) } })
    stream().text(`"${'y'.repeat(3 * mostRowBytes)}"`)
    await beats(4000)
    expect(running.failure()).toBeUndefined()
    expect(await flows()).toEqual(['F.1 live'])
    expect((await world.rejects()).map(({ bytes }) => bytes.length)).toEqual([2 * mostRowBytes])
  })

  it.each([
    ['"2026-04-22T16:31:23Z host: closed"', '"2026-04-22T16:31:23Z host: failed"'],
    ['9007199254740992', '9007199254740993'],
  ])('%s that nobody heard is not taken for %s of the same second, which was heard', async (unheard, heard) => {
    const queue = 'Custom.Rows'
    const rowOf = (value: string, ts: number): string => `{"Is":${value},"_ts":${ts},"_Queue":"${queue}"}`
    run({ sources: of([anyQueue(queue)]) })
    server.definitions.set(queue, { name: queue, type: 'server_event' })
    await world.settle()
    await beats(2000)
    stream().text(rowOf(heard, second + 2))
    for (const value of [unheard, heard])
      server.history.push({ at: start + 2100, json: rowOf(value, (second + 2) * 1000 + 100) })
    await beats(20_000)
    const rows = (await world.values(topics.rawQueueEvents, 'RawEvent')).map(({ row }) => row)
    expect(rows).toEqual([rowOf(heard, second + 2), rowOf(unheard, (second + 2) * 1000 + 100)])
  })

  it('that nests thousands deep is kept without what lies deep', async () => {
    run({ sources: of([anyQueue('Custom.Rows')]) })
    server.definitions.set('Custom.Rows', { name: 'Custom.Rows', type: 'client_event' })
    await world.settle()
    await beats(2000)
    for (const levels of [400, 9000])
      stream().text(`{"_ts":${second},"_Queue":"Custom.Rows","A":${'['.repeat(levels)}1${']'.repeat(levels)}}`)
    await beats(4000)
    const rows = (await world.values(topics.rawQueueEvents, 'RawEvent')).map(({ row }) => row)
    expect(rows.map((row) => row.split('[').length - 1)).toEqual([400, 12])
    expect(JSON.parse(rows[1] ?? '')).toMatchObject({ _Shortened: true })
  })
})

describe('a stream', () => {
  it('that breaks off is opened again with growing waits; its begin and its end are said once', async () => {
    run()
    await world.settle()
    await beats(2000)
    server.failure = away
    stream().fail(away)
    const opened: number[] = []
    for (let n = 0, before = server.asked.length, from = world.clock.now(); n < 250; n++) {
      await world.pass(250)
      if (server.asked.length > before) opened.push(world.clock.now() - from)
      before = server.asked.length
    }
    expect(opened.slice(0, 6)).toEqual([750, 2250, 5250, 9750, 14_250, 18_750])
    server.failure = null
    while (server.streams.length === 0) await world.pass(250)
    await beats(4000)
    expect(world.saidOf('source away')).toEqual([
      { name: 'source away', org: 'root', queues: 'System.Flow.Completion', reason: 'nothing listens' },
    ])
    expect(world.saidOf('source back')).toHaveLength(1)
    stream().fail(away)
    await world.pass(800)
    expect(server.streams).toHaveLength(1)
  })

  it.each([3000, minute, 60 * minute])(
    'of a server that was away for %i ms is live within 15 s of its return, and in sync within 30 s',
    async (awayMs) => {
      run()
      await world.settle()
      await beats(20_000)
      server.failure = away
      stream().fail(away)
      await world.pass(awayMs)
      server.failure = null
      const back = world.clock.now()
      const passed = async (name: 'source back' | 'source in sync', times: number): Promise<number> => {
        while (world.saidOf(name).length < times) {
          for (const open of server.streams) open.beat(world.clock.now())
          await world.pass(500)
        }
        return world.clock.now() - back
      }
      expect(await passed('source back', 1)).toBeLessThanOrEqual(15_000)
      expect(await passed('source in sync', 2)).toBeLessThanOrEqual(30_000)
    },
  )

  it('that falls silent is given up and opened anew', async () => {
    run()
    await world.settle()
    await beats(2000)
    await world.pass(6000)
    expect(world.saidOf('source away')).toEqual([])
    await world.pass(1000)
    expect(world.saidOf('source away')).toEqual([
      expect.objectContaining({ reason: expect.stringContaining('silent') as string }),
    ])
    await world.pass(1000)
    expect(server.streams).toHaveLength(1)
  })

  it('that never speaks is given up too', async () => {
    run()
    await world.pass(8500)
    expect(world.saidOf('source away')).toHaveLength(1)
  })

  it('that the server ends is opened anew', async () => {
    run()
    await world.settle()
    await beats(2000)
    stream().end()
    await world.pass(1000)
    await beats(2000)
    expect(world.saidOf('source back')).toHaveLength(1)
  })

  it('whose history cannot be read is opened anew', async () => {
    let failures = 2
    server.failureFor = ({ vql }) => (vql.includes('monitoring(client_id') && failures-- > 0 ? away : null)
    keep('F.1', start - 1000)
    run({ since: start - minute })
    await world.settle()
    for (let n = 0; n < 6; n++) await beats(4000)
    expect(await flows()).toEqual(['F.1 history'])
  })

  it('whose history says nothing for five minutes is opened anew, though it lives itself', async () => {
    let asked = 0
    server.isMute = ({ vql }) => vql.includes('monitoring(client_id') && asked++ === 0
    keep('F.1', start - 1000)
    run({ since: start - minute })
    await world.settle()
    await beats(4 * minute)
    expect(world.saidOf('source away')).toEqual([])
    await beats(2 * minute)
    expect(world.saidOf('source away')).toEqual([
      expect.objectContaining({ reason: expect.stringContaining('history of System.Flow.Completion') as string }),
    ])
    await beats(30_000)
    expect(await flows()).toEqual(['F.1 history'])
  })

  it('that is denied ends the collecting', async () => {
    server.failure = denied
    const running = run()
    await world.settle()
    expect(running.failure()).toBe(denied)
  })

  it('whose log says that the queue is not known ends the collecting', async () => {
    const running = run()
    await world.settle()
    await beats(2000)
    stream().log('watch_monitoring: Artifact System.Flow.Completion not known')
    await world.settle()
    expect(running.failure()).toMatchObject({ code: 'VELOCIRAPTOR_DENIED' })
  })

  it('that brings more than the log takes is given up, and history is asked for the rest', async () => {
    const mostHeld = 3000
    run({ mostHeld })
    await world.settle()
    await beats(2000)
    const rows = mostHeld + 500
    const open = stream()
    for (let n = 0; n < rows; n++) {
      keep(`F.${n}`, start + 2000)
      open.row(completionRow(`F.${n}`, second + 2))
    }
    expect(server.streams).toHaveLength(0)
    await world.pass(1000)
    for (let n = 0; n < 10; n++) await beats(4000)
    const ids = (await world.records(topics.rawFlowCompletions)).length
    expect(world.saidOf('source away')).toHaveLength(1)
    expect(ids).toBe(rows)
  })
})

describe('large rows', () => {
  it('that wait for the log are held up to a bound of their size, whatever their number', async () => {
    run()
    await world.settle()
    await beats(2000)
    const open = stream()
    const blob = 'x'.repeat(2 ** 18)
    for (let n = 0; n < 300 && server.streams.length > 0; n++)
      open.text(JSON.stringify({ ...completionRow(`F.${n}`, second + 2), blob, _Queue: 'System.Flow.Completion' }))
    expect(server.streams).toHaveLength(0)
    await world.settle()
    expect(world.saidOf('source away')).toMatchObject([{ reason: expect.stringContaining('256 rows wait') as string }])
  })
})

describe('several organisations', () => {
  it('have streams and cursors of their own, each in one slot', async () => {
    world = openStageWorld({ partitions: 3 })
    run({ orgs: ['root', 'O1', 'O2', 'O3'] })
    await world.settle()
    expect(server.streams.map(({ request }) => request.org).toSorted()).toEqual(['O1', 'O2', 'O3', 'root'])
    await beats(2000)
    server.streams.find(({ request }) => request.org === 'O1')?.fail(away)
    for (const open of server.streams) open.row(completionRow('F.1', second + 2))
    await beats(2000)
    expect((await collected()).map(({ org }) => org).toSorted()).toEqual(['O2', 'O3', 'root'])
  })
})

describe('a history that is kept by client', () => {
  it('is read a hundred clients at a time, and how much of it has been read is told', async () => {
    for (let n = 0; n < 250; n++) server.seen.add(`C.${n}`)
    keep('F.1', start - 1000)
    run({ since: start - minute })
    await world.settle()
    await beats(4000)
    const clients = server.asked
      .filter(({ vql }) => vql.includes('monitoring(client_id'))
      .map(({ env }) => (JSON.parse(env?.['Clients'] ?? '[]') as { CId: string }[]).map(({ CId }) => CId))
    expect(clients.map((some) => some.length)).toEqual([100, 100, 51])
    expect(new Set(clients.flat())).toEqual(new Set(['server', ...server.seen]))
    expect(world.saidOf('queue read so far').map(({ percent }) => percent)).toEqual([33, 66, 100])
    expect(await flows()).toEqual(['F.1 history'])
  })

  it('is read no faster than the log takes it', async () => {
    for (let n = 0; n < 250; n++) server.seen.add(`C.${n}`)
    const rows = 2500
    for (let n = 0; n < rows; n++) keep(`F.${n}`, start - 1000)
    run({ since: start - minute })
    stream().beat(start)
    const asked = (): number => server.asked.filter(({ vql }) => vql.includes('monitoring(client_id')).length
    expect(asked()).toBe(1)
    await world.settle()
    expect(asked()).toBe(3)
    expect(await flows()).toHaveLength(rows)
  })

  it('is asked for by two queries at a time at most, however many organisations there are', async () => {
    server.isMute = ({ vql }) => vql.includes('FROM clients()')
    run({ orgs: ['root', 'O1', 'O2', 'O3'] })
    await world.settle()
    await beats(10_000)
    expect(server.streams).toHaveLength(4)
    expect(server.asked.filter(({ vql }) => vql.includes('FROM clients()'))).toHaveLength(2)
  })
})

describe('a queue whose artifact the server keeps elsewhere, or nowhere', () => {
  const queue = 'Server.Internal.Interrogation'
  const listen = async (type: string): Promise<Running> => {
    server.definitions.set(queue, { name: queue, type })
    const running = run({ sources: of([anyQueue(queue)]) })
    await world.settle()
    await beats(2000)
    return running
  }
  const rows = async (): Promise<readonly string[]> =>
    (await world.values(topics.rawQueueEvents, 'RawEvent')).map(({ row, origin }) => {
      const { n } = JSON.parse(row) as { readonly n: number }
      return `${n} ${origin}`
    })
  const emit = (n: number): void =>
    stream().text(JSON.stringify({ n, _ts: Math.floor(world.clock.now() / 1000), _Queue: queue }))

  it('is live only and said to be so; what it may have lost is said after each outage, by the server’s time', async () => {
    await listen('internal')
    emit(1)
    await beats(6000)
    expect(await rows()).toEqual(['1 live'])
    expect(world.saidOf('queue is live only')).toEqual([{ name: 'queue is live only', org: 'root', queue }])
    expect(world.saidOf('source in sync')).toHaveLength(1)
    expect(world.saidOf('live rows may be lost')).toEqual([])
    const lastBeat = world.clock.now() - 2000
    server.failure = away
    stream().fail(away)
    await world.pass(20_000)
    server.failure = null
    await world.pass(10_000)
    const back = world.clock.now()
    await beats(2000)
    emit(2)
    await beats(2000)
    expect(await rows()).toEqual(['1 live', '2 live'])
    const text = (at: number): string => new Date(Math.floor(at / 1000) * 1000).toISOString()
    expect(world.saidOf('live rows may be lost')).toEqual([
      { name: 'live rows may be lost', org: 'root', queue, from: text(lastBeat - 2000), to: text(back), ms: 34_000 },
    ])
    await beats(16 * minute)
    expect(server.asked.filter(({ vql }) => vql.includes('monitoring(client_id'))).toEqual([])
  })

  it('says after a restart what it may have lost since its cursor', async () => {
    const running = await listen('internal')
    await beats(2 * minute)
    running.stop()
    await world.reopen()
    await world.pass(5 * minute)
    await listen('internal')
    const [lost] = world.saidOf('live rows may be lost')
    expect(Number(lost?.['ms'])).toBeGreaterThan(5 * minute)
    expect(Number(lost?.['ms'])).toBeLessThan(5 * minute + 40_000)
  })

  it('begins where it should although the server takes its time to say where it is kept', async () => {
    server.definitions.set(queue, { name: queue, type: 'client_event' })
    const slow: HandVelociraptor = {
      ...server,
      query: (request) =>
        new Observable((subscriber) => {
          const isSlow = request.vql.includes('artifact_definitions(')
          const ask = (): void => void subscriber.add(server.query(request).subscribe(subscriber))
          if (isSlow) subscriber.add(world.clock.at(world.clock.now() + 5000, ask))
          else ask()
        }),
    }
    run({ sources: of([anyQueue(queue)]), velociraptor: slow, since: start - minute })
    await world.settle()
    await beats(20_000)
    expect(world.saidOf('collect begins')).toMatchObject([{ at: new Date(start - minute).toISOString() }])
    expect(historyFroms()[0]).toBe(start - minute)
  })

  it('is read back from one place alone when the server writes it', async () => {
    server.seen.add('C.1')
    await listen('server_event')
    await beats(12_000)
    expect(world.saidOf('source in sync')).toHaveLength(1)
    expect(server.asked.filter(({ vql }) => vql.includes('FROM clients()'))).toEqual([])
    expect(historyFroms().length).toBeGreaterThan(0)
  })
})

describe('a queue in sync', () => {
  it('is read again each quarter of an hour: what the stream did not bring is told, and said to be a repaired gap', async () => {
    run()
    await world.settle()
    await beats(60_000)
    keep('F.lost', world.clock.now() - 20_000)
    await beats(14 * minute)
    expect(await flows()).toEqual([])
    await beats(2 * minute)
    expect(await flows()).toEqual(['F.lost repair'])
    expect(world.saidOf('gap repaired')).toEqual([
      { name: 'gap repaired', org: 'root', queue: 'System.Flow.Completion', rows: 1 },
    ])
    expect(world.saidOf('source in sync')).toHaveLength(1)
    await beats(20 * minute)
    expect(world.saidOf('gap repaired')).toHaveLength(1)
  })

  it('does not say of an outage that it repaired a gap', async () => {
    run()
    await world.settle()
    await beats(60_000)
    stream().fail(away)
    keep('F.1', world.clock.now())
    await world.pass(1000)
    await beats(20_000)
    expect(await flows()).toEqual(['F.1 history'])
    expect(world.saidOf('gap repaired')).toEqual([])
  })
})

describe('a flow that ended without an event', () => {
  /** As `flows()` tells it, ended at this time. */
  const end = (flow: string, at: number): void =>
    void server.ended.push({ client_id: 'C.1', session_id: flow, active_time: at * 1000, state: 'FINISHED' })

  it('is found by looking through the flows, once, and only when its event has had its time', async () => {
    run()
    await world.settle()
    await beats(60_000)
    const at = world.clock.now()
    end('F.mute', at)
    stream().row(completionRow('F.told', Math.floor(at / 1000)))
    keep('F.told', at)
    end('F.told', at)
    await beats(55 * minute)
    expect(await flows()).toEqual(['F.told live'])
    await beats(10 * minute)
    expect(await flows()).toEqual(['F.told live', 'F.mute sweep'])
    expect(world.saidOf('flows without event')).toEqual([
      { name: 'flows without event', org: 'root', queue: 'System.Flow.Completion', rows: 1 },
    ])
    await beats(130 * minute)
    expect(await flows()).toHaveLength(2)
  })

  it('before the relay began to listen is not looked for', async () => {
    end('F.old', start - minute)
    run()
    await world.settle()
    await beats(90 * minute)
    expect(await flows()).toEqual([])
  })

  it('cannot be found where flows cannot be looked through: that is said, and nothing else stops', async () => {
    server.failureFor = ({ vql }) => (vql.includes('FROM flows(client_id=CId) WHERE') ? denied : null)
    const running = run()
    await world.settle()
    await beats(20_000)
    expect(world.saidOf('flow sweep failed')).toEqual([
      { name: 'flow sweep failed', org: 'root', reason: 'permission is missing' },
    ])
    stream().row(completionRow('F.1', Math.floor(world.clock.now() / 1000)))
    await beats(2000)
    expect(await flows()).toEqual(['F.1 live'])
    expect(running.failure()).toBeUndefined()
  })
})

describe('a queue', () => {
  it('that no monitor asks for any more is said to be read no more; one that is read together with another is read on', async () => {
    const sources = new BehaviorSubject([flowCompletions, anyQueue('Custom.Rows')])
    run({ sources })
    await world.settle()
    await beats(4000)
    sources.next([flowCompletions, { ...flowCompletions, queue: alerts.queue }])
    await beats(4000)
    expect(world.saidOf('source dropped')).toContainEqual({
      ...{ name: 'source dropped', org: 'root', queues: 'Custom.Rows', unread: 'Custom.Rows' },
    })
    expect(world.saidOf('source dropped').map(({ unread }) => unread)).not.toContain(flowCompletions.queue)
  })
})

describe('a slot', () => {
  it('that is lost says that nobody here reads its queues any more', async () => {
    run()
    await world.settle()
    await beats(20_000)
    world.failCommits('collect', 'before')
    stream().row(completionRow('F.1', second + 20))
    await world.pass(5000)
    const { queue } = flowCompletions
    expect(world.saidOf('source dropped')).toEqual([
      { name: 'source dropped', org: 'root', queues: queue, unread: queue },
    ])
    await beats(30_000)
    expect(world.saidOf('source in sync')).toHaveLength(2)
  })
})

describe('every organisation', () => {
  const listened = (): readonly string[] => server.streams.map(({ request }) => request.org).toSorted()

  it('is listened to: one that comes later from before it was found, one that goes no longer, the others undisturbed', async () => {
    server.orgs.push({ OrgId: 'root', Name: '' }, { OrgId: 'O1', Name: '' })
    const running = run({ orgs: ['*'] })
    await world.settle()
    await beats(20_000)
    const first = server.streams.find(({ request }) => request.org === 'root')
    expect(listened()).toEqual(['O1', 'root'])
    server.orgs.push({ OrgId: 'O2', Name: '' })
    await beats(60_000)
    expect(listened()).toEqual(['O1', 'O2', 'root'])
    expect(world.saidOf('organisation found')).toEqual([{ name: 'organisation found', org: 'O2' }])
    expect(world.saidOf('collect begins').find(({ org }) => org === 'O2')).toMatchObject({
      at: new Date(start - 5 * minute).toISOString(),
    })
    server.orgs.splice(1, 1)
    server.streams.find(({ request }) => request.org === 'O1')?.fail(denied)
    await world.settle()
    expect(running.failure()).toBeUndefined()
    await beats(60_000)
    expect(listened()).toEqual(['O2', 'root'])
    expect(world.saidOf('organisation gone')).toEqual([{ name: 'organisation gone', org: 'O1' }])
    expect(server.streams.find(({ request }) => request.org === 'root')).toBe(first)
  })

  it('is read from the last look for it when it came while the relay was away; one that was read before is not', async () => {
    server.orgs.push({ OrgId: 'root', Name: '' })
    const running = run({ orgs: ['*'] })
    await world.settle()
    await beats(3 * minute)
    running.stop()
    await world.reopen()
    const stopped = world.clock.now()
    server.orgs.push({ OrgId: 'O1', Name: '' })
    keep('F.1', stopped + minute)
    await world.pass(60 * minute)
    run({ orgs: ['*'] })
    await world.settle()
    await beats(20_000)
    const began = world.saidOf('collect begins').filter(({ org }) => org === 'O1')
    expect(began).toHaveLength(1)
    const age = stopped - Date.parse(String(began[0]?.['at']))
    expect(age).toBeGreaterThanOrEqual(5 * minute)
    expect(age).toBeLessThanOrEqual(6 * minute)
    expect((await collected()).map(({ org }) => org).toSorted()).toEqual(['O1', 'root'])
    expect(world.saidOf('collect begins')).toHaveLength(2)
  })

  it('is not taken for one that was read before as long as one of its queues has not begun', async () => {
    server.orgs.push({ OrgId: 'root', Name: '' })
    server.definitions.set('Custom.Rows', { name: 'Custom.Rows', type: 'client_event' })
    const terms = { orgs: ['*'], sources: of([anyQueue('Custom.Rows'), flowCompletions]) }
    const running = run(terms)
    await world.settle()
    await beats(3 * minute)
    const made = world.clock.now()
    server.orgs.push({ OrgId: 'O1', Name: '' })
    server.isMute = ({ org, vql }) => org === 'O1' && vql.includes('artifact_definitions(')
    await beats(3 * minute)
    running.stop()
    await world.reopen()
    server.isMute = () => false
    run(terms)
    await world.settle()
    await beats(20_000)
    const began = world.saidOf('collect begins').find(({ org, queue }) => org === 'O1' && queue === 'Custom.Rows')
    expect(Date.parse(String(began?.['at']))).toBeLessThanOrEqual(made)
  })

  it('begins where it was first tried when the server was away, or had no such queue yet', async () => {
    server.failure = away
    run()
    await world.pass(10 * minute)
    keep('F.1', start + minute)
    server.failure = null
    await world.pass(10_000)
    await beats(20_000)
    expect(world.saidOf('collect begins')).toMatchObject([{ at: new Date(start).toISOString() }])
    expect(await flows()).toEqual(['F.1 history'])
  })

  it('is asked for again when the server was away, and what is known stays', async () => {
    server.failure = away
    run({ orgs: ['*'] })
    await world.settle()
    server.orgs.push({ OrgId: 'root', Name: '' })
    server.failure = null
    await world.pass(1000)
    expect(listened()).toEqual(['root'])
    server.failureFor = ({ vql }) => (vql.includes('FROM orgs(') ? away : null)
    await beats(120_000)
    expect(listened()).toEqual(['root'])
  })

  it('that is back before the next look for organisations is listened to again', async () => {
    server.orgs.push({ OrgId: 'O1', Name: '' })
    const running = run({ orgs: ['*'] })
    await world.settle()
    await beats(2000)
    const [there] = server.orgs.splice(0)
    stream().fail(denied)
    await world.settle()
    if (there !== undefined) server.orgs.push(there)
    await beats(20_000)
    expect(listened()).toEqual(['O1'])
    server.failureFor = ({ vql }) => (vql.includes('FROM orgs(') ? away : null)
    stream().fail(denied)
    await world.settle()
    server.failureFor = () => null
    await beats(20_000)
    expect(listened()).toEqual(['O1'])
    expect(running.failure()).toBeUndefined()
  })

  it('that goes is said to be read no more, with each of its queues', async () => {
    server.orgs.push({ OrgId: 'root', Name: '' }, { OrgId: 'O1', Name: '' })
    run({ orgs: ['*'] })
    await world.settle()
    await beats(20_000)
    server.orgs.splice(1)
    await beats(60_000)
    const { queue } = flowCompletions
    expect(world.saidOf('source dropped')).toEqual([
      { name: 'source dropped', org: 'O1', queues: queue, unread: queue },
    ])
  })

  it('that is denied although it is there ends the collecting', async () => {
    server.orgs.push({ OrgId: 'O1', Name: '' })
    const running = run({ orgs: ['*'] })
    await world.settle()
    stream().fail(denied)
    await world.settle()
    expect(running.failure()).toBe(denied)
  })
})
