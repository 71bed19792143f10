import { describe, expect, it } from 'vitest'
import type { QueryResponse } from '../../../../connectors/velociraptor/api-messages.ts'
import type { CallStatus } from '../../../../connectors/velociraptor/failures.ts'
import { splitRows } from '../../../../connectors/velociraptor/split-rows.ts'
import { runQuery, type ServedQuery } from '../../../../connectors/velociraptor/stand-in/run-query.ts'
import { insideOf, type StandInWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'
import { watchQuery } from '../../../../connectors/velociraptor/watch-query.ts'
import { lines, membersOf, recordedWorld, transcripts, withoutReading } from '../recordings.ts'

const users: Readonly<Record<string, string>> = { none: 'norole', reader: 'readeronly', api: 'connector' }
const t0 = 1_795_513_439_000

interface Run {
  readonly messages: QueryResponse[]
  end: CallStatus | undefined
}

const served = (given: Partial<ServedQuery>): ServedQuery => ({
  queries: [],
  env: [],
  maxRow: 100,
  maxWaitS: 1,
  timeoutS: 0,
  org: 'root',
  principal: 'connector',
  ...given,
})

const running = (world: StandInWorld, clock: ReturnType<typeof virtualClock>, query: ServedQuery): Run => {
  const run: Run = { messages: [], end: undefined }
  runQuery(insideOf(world), clock, query, {
    message: (message) => run.messages.push(message),
    end: (status) => {
      run.end = status
    },
  })
  return run
}

/** What differs from one run to the next. */
const masked = (text: string): string =>
  text
    .replace(/after [\d.]+s\n/, 'after …s\n')
    .replace(/"timestamp":"[^"]*"/, '"timestamp":"…"')
    .replace(/"Unix":\d+/g, '"Unix":…')

describe('the stand-in answers as the recorded server did', () => {
  const calls = transcripts().filter(({ case: name }) => name !== 'PushEvents')

  it.each(calls.map((one) => [one.case, one] as const))(
    '%s',
    (_, { request, role, messages: expected = [], code, details }) => {
      const clock = virtualClock(t0)
      const world = recordedWorld()
      world.set({ users: [{ name: 'readeronly', roles: ['reader'] }] })
      const texts = request.vql === undefined ? [] : [request.vql].flat()
      const run = running(
        world,
        clock,
        served({
          queries: texts.map((VQL) => ({ Name: 'Q', VQL })),
          maxRow: request.max_row ?? 100,
          timeoutS: request.timeout ?? 0,
          org: request.org ?? 'root',
          principal: users[role] ?? '',
        }),
      )
      clock.advanceTo(t0 + 5000)
      expect(run.end).toEqual({ code: code ?? 0, details: details ?? '' })
      const told = run.messages.map(({ log, Response, Columns, query_id, part, Query }) =>
        log !== ''
          ? { log: masked(log), query_id: Number(query_id), part: Number(part) }
          : {
              Response: masked(Response),
              Columns,
              query_id: Number(query_id),
              part: Number(part),
              echoed_query: Query !== null,
            },
      )
      const recorded = expected.map((message) =>
        Object.fromEntries(
          Object.entries(message)
            .filter(([key]) => key !== 'timestamp')
            .map(([key, value]) => [key, typeof value === 'string' ? masked(value) : value]),
        ),
      )
      expect(told).toEqual(recorded)
    },
  )
})

const queueOf = (file: string): string => file.replace('__', '/')

describe('the stand-in delivers recorded rows as the recorded server did', () => {
  const queues = [
    'Lab.Client.EventAlerts',
    'Lab.Server.Alerter',
    'Lab.Server.Trigger',
    'Server.Audit.Logs',
    'Server.Internal.Alerts',
    'Server.Internal.ClientConflict',
    'Server.Internal.Interrogation',
    'Server.Monitor.FlowCompletion',
    'System.Flow.Completion',
    'System.Hunt.Creation',
    'System.Upload.Completion',
  ]

  it.each(queues)('live, byte for byte: %s', (queue) => {
    const clock = virtualClock(t0)
    const world = recordedWorld()
    world.knowQueue('root', queue)
    const run = running(
      world,
      clock,
      served({ queries: [{ Name: 'Q', VQL: `SELECT * FROM watch_monitoring(artifact='${queue}')` }] }),
    )
    const recorded = lines(`live/${queue}.jsonl`)
    for (const row of recorded) world.emit('root', queue, row, t0)
    clock.advanceTo(t0 + 2000)
    expect(run.messages.flatMap(({ Response }) => (Response === '' ? [] : splitRows(Response)))).toEqual(recorded)
  })

  it('merged with a heartbeat, byte for byte and in order', () => {
    const clock = virtualClock(t0)
    const world = recordedWorld()
    const recorded = lines('live/chain.jsonl').filter((row) => !row.includes('"_Beat"'))
    const names = [...new Set(recorded.map((row) => (JSON.parse(row) as { _Queue: string })._Queue))]
    for (const name of names) world.knowQueue('root', name)
    const { vql, env } = watchQuery(names)
    const run = running(
      world,
      clock,
      served({ queries: [{ Name: 'Q', VQL: vql }], env: Object.entries(env).map(([key, value]) => ({ key, value })) }),
    )
    for (const row of recorded) {
      const queue = (JSON.parse(row) as { _Queue: string })._Queue
      world.emit('root', queue, `{${membersOf(row).slice(0, -1).join(',')}}`, t0)
    }
    clock.advanceTo(t0 + 3000)
    const told = run.messages.flatMap(({ Response }) => (Response === '' ? [] : splitRows(Response)))
    expect(told.filter((row) => !row.includes('"_Beat"'))).toEqual(recorded)
    expect(told.filter((row) => row.includes('"_Beat"'))).toEqual([`{"_Queue":"","_Beat":${t0 / 1000 + 2}}`])
  })

  const stored = [
    'Lab.Client.EventAlerts',
    'Lab.Client.Multi__Alpha',
    'Lab.Server.Alerter',
    'Server.Audit.Logs',
    'Server.Internal.Alerts',
    'System.Flow.Completion',
    'System.Hunt.Creation',
    'System.Upload.Completion',
  ]

  it.each(stored)('read back, byte for byte: %s', (file) => {
    const clock = virtualClock(t0)
    const world = recordedWorld()
    const queue = queueOf(file)
    const perClient = file.startsWith('Lab.Client') || file.endsWith('.Completion')
    // One recorded row was sent by hand for a client that the row does not name.
    const recorded = lines(`history/${file}.jsonl`).filter((row) => !perClient || row.includes('"ClientId"'))
    const clients = perClient
      ? [...new Set(recorded.map((row) => (JSON.parse(row) as { ClientId: string }).ClientId))]
      : ['server']
    // The stored row in its live form: the same columns, and the two that say when and from whom.
    for (const row of recorded) world.emit('root', queue, row, t0)
    const told = clients.flatMap((client) => {
      const run = running(
        world,
        clock,
        served({
          queries: [
            { Name: 'Q', VQL: 'SELECT * FROM monitoring(client_id=CId, artifact=QueueName, start_time=StartMs)' },
          ],
          env: [
            { key: 'CId', value: client },
            { key: 'QueueName', value: queue },
            { key: 'StartMs', value: '1795509000000' },
          ],
        }),
      )
      return run.messages.flatMap(({ Response }) => (Response === '' ? [] : splitRows(Response)))
    })
    expect(told).toEqual(recorded)
  })

  it('read back equals what was live, but for time and writer', () => {
    const clock = virtualClock(t0)
    const world = recordedWorld()
    const recorded = lines('live/Server.Internal.Alerts.jsonl')
    for (const row of recorded) world.emit('root', 'Server.Internal.Alerts', row, t0)
    const run = running(
      world,
      clock,
      served({
        queries: [
          { Name: 'Q', VQL: "SELECT * FROM monitoring(client_id='server', artifact='Server.Internal.Alerts')" },
        ],
      }),
    )
    const told = run.messages.flatMap(({ Response }) => (Response === '' ? [] : splitRows(Response)))
    expect(told.map(withoutReading)).toEqual(recorded.map(withoutReading))
    expect(told[0]).toMatch(/,"_Source":"","_ts":1795509633000\}$|"_ts":1795509633000\}$/)
  })

  it('state, byte for byte', () => {
    const clock = virtualClock(t0)
    const world = recordedWorld()
    const ask = (vql: string, env: Readonly<Record<string, string>> = {}): readonly string[] =>
      running(
        world,
        clock,
        served({
          queries: [{ Name: 'Q', VQL: vql }],
          env: Object.entries(env).map(([key, value]) => ({ key, value })),
        }),
      ).messages.flatMap(({ Response }) => (Response === '' ? [] : splitRows(Response)))
    for (const row of lines('state/flows.jsonl')) {
      const { client_id: CId, session_id: FId } = JSON.parse(row) as { client_id: string; session_id: string }
      expect(ask('SELECT * FROM flows(client_id=CId, flow_id=FId)', { CId, FId })).toEqual([row])
    }
    expect(ask('SELECT * FROM clients()')).toEqual(lines('state/clients.jsonl'))
    for (const row of lines('state/hunt_info.jsonl')) {
      const { H } = JSON.parse(row) as { H: { hunt_id: string } | null }
      if (H !== null) expect(ask('SELECT hunt_info(hunt_id=HId) AS H FROM scope()', { HId: H.hunt_id })).toEqual([row])
    }
    expect(ask('SELECT * FROM gui_users(all_orgs=TRUE)')).toEqual(lines('state/gui_users.as-api.jsonl'))
    for (const row of lines('state/artifact_definitions.jsonl')) {
      const { name } = JSON.parse(row) as { name: string }
      expect(ask('SELECT * FROM artifact_definitions(names=N)', { N: name })).toEqual([row])
    }
  })
})
