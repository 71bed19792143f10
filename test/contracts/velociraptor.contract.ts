import type { Subscription } from 'rxjs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConnectorError } from '../../connectors/errors.ts'
import { failureOf, type LogLine } from '../../connectors/velociraptor/failures.ts'
import {
  clientsHistoryQuery,
  endedFlowsQuery,
  seenClientsQuery,
  serverHistoryQuery,
} from '../../connectors/velociraptor/history-query.ts'
import {
  askRows,
  clientMonitoring,
  flowKey,
  lookUpDefinitions,
  lookUpFlows,
  lookUpHunts,
  orgs,
  serverMonitoring,
  serverVersion,
} from '../../connectors/velociraptor/lookups.ts'
import { firstUploads } from '../../connectors/velociraptor/results.ts'
import type { WorldDescription } from '../../connectors/velociraptor/stand-in/world-description.ts'
import { insideOf, type StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import type { QueryRequest, Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import { watchQuery } from '../../connectors/velociraptor/watch-query.ts'
import type { VirtualClock } from '../../pipeline/runtime/virtual-clock.ts'

/** A server with a world, and a way to ask it. */
export interface VelociraptorWorld {
  readonly velociraptor: Velociraptor
  readonly world: StandInWorld
  readonly clock: VirtualClock
  dispose(): Promise<void>
}

const t0 = Date.UTC(2026, 3, 22, 14, 42, 27)
const client = 'C.1111111111111111'
const other = 'C.2222222222222222'
const flow = 'F.D7KDSKSILR3TG'
const completion = 'System.Flow.Completion'

/** The world of the contract. */
export const contractWorld: WorldDescription = {
  now: '2026-04-22T14:42:27Z',
  orgs: [{ id: 'O1', name: 'Branch' }],
  clients: [
    { client_id: client, labels: ['vip'], os_info: { fqdn: 'host1.example.org' }, metadata: { Owner: 'a <b>' } },
    { client_id: other, last_seen_at: 'T-3d' },
    { client_id: 'C.3333333333333333', org: 'O1' },
  ],
  flows: [
    {
      client_id: client,
      session_id: flow,
      create_time: 'T',
      start_time: 'T+5s',
      request: { creator: 'analyst', artifacts: ['Linux.Sys.Users'] },
    },
    { client_id: 'server', session_id: 'F.S', state: 'ERROR' },
  ],
  hunts: [
    { hunt_id: 'H.ABC', hunt_description: 'Find <users>', tags: ['triage'], version: 1_795_564_937_934_178_547n },
  ],
  artifacts: [
    { name: 'Linux.Sys.Users', parameters: [{ name: 'PasswordFile' }], required_permissions: ['EXECVE'] },
    { name: 'Lab.Server.Alerter', type: 'SERVER_EVENT', sources: [] },
  ],
  results: [
    { client_id: client, flow_id: flow, artifact: 'Linux.Sys.Users', rows: [{ User: 'root' }, { User: 'www' }] },
  ],
  uploads: [
    { client_id: client, flow_id: flow, rows: [{ vfs_path: '/a', Type: '', uploaded_size: 3, Timestamp: 'T+6s' }] },
  ],
}

interface Seen {
  readonly rows: string[]
  readonly log: LogLine[]
  end: 'open' | 'complete' | ConnectorError
  readonly subscription: Subscription
}

/** What every Velociraptor must do, whatever carries the queries. */
export const velociraptorContract = (name: string, open: () => Promise<VelociraptorWorld>): void => {
  describe(name, () => {
    let here: VelociraptorWorld
    const seen: Seen[] = []

    beforeEach(async () => {
      here = await open()
    })
    afterEach(async () => {
      for (const { subscription } of seen.splice(0)) subscription.unsubscribe()
      await here.dispose()
    })

    const watch = (request: Partial<QueryRequest> & { vql: string }): Seen => {
      const one: Omit<Seen, 'subscription'> = { rows: [], log: [], end: 'open' }
      const subscription = here.velociraptor.query({ org: 'root', ...request }).subscribe({
        next: (message) => {
          if (message.kind === 'log') one.log.push(message)
          else one.rows.push(...message.rows)
        },
        error: (cause: unknown) => {
          one.end = cause as ConnectorError
        },
        complete: () => {
          one.end = 'complete'
        },
      })
      const whole = Object.assign(one, { subscription })
      seen.push(whole)
      return whole
    }

    /** Lets the server's time pass, and the messages through, until a condition holds. */
    const until = async (condition: () => boolean, stepMs = 100): Promise<void> => {
      const deadline = performance.now() + 10_000
      while (!condition()) {
        if (performance.now() > deadline) throw new Error('it does not come')
        here.clock.advanceTo(here.clock.now() + stepMs)
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }

    const answer = async <T>(asked: Promise<T>, stepMs = 10): Promise<T> => {
      let settled = false
      const watched = asked.finally(() => {
        settled = true
      })
      watched.catch(() => undefined)
      await until(() => settled, stepMs)
      return watched
    }

    const ended = async (one: Seen, stepMs?: number): Promise<Seen['end']> => {
      await until(() => one.end !== 'open', stepMs)
      return one.end
    }

    const failed = async (one: Seen, stepMs?: number): Promise<ConnectorError> => {
      const end = await ended(one, stepMs)
      expect(end).toBeInstanceOf(ConnectorError)
      return end as ConnectorError
    }

    const watchers = (queue = completion, org = 'root'): number =>
      insideOf(here.world).org(org)?.watchers.get(queue)?.size ?? 0

    const watchCompletions = async (): Promise<Seen> => {
      const one = watch(watchQuery([completion, 'Server.Internal.Alerts', 'Server.Internal.Interrogation']))
      await until(() => watchers() === 1)
      return one
    }

    const events = (one: Seen): readonly string[] => one.rows.filter((row) => !row.includes('"_Beat"'))

    it('gives the rows of a query as they stand in its answer, then completes', async () => {
      const one = watch({
        vql: "SELECT '<&>' AS S, 9007199254740993 AS B, 1.0 AS F, dict(`10`=1, `9`=2) AS D, V FROM range(end=2)",
        env: { V: 'v"' },
      })
      expect(await ended(one)).toBe('complete')
      const row = '{"S":"\\u003c\\u0026\\u003e","B":9007199254740993,"F":1,"D":{"10":1,"9":2},"V":"v\\""}'
      expect(one.rows).toEqual([row, row])
      expect(one.log[0]).toEqual({ kind: 'log', level: '', text: 'Starting query execution.' })
      expect(one.log[1]?.text).toMatch(/^Time 0: relay: Sending response part 0 \d+ B \(2 rows\)\.$/)
    })

    it('brings events as they come, in order, and beats', async () => {
      const one = await watchCompletions()
      const at = here.clock.now()
      for (let n = 0; n < 250; n++) here.world.emit('root', completion, { ClientId: client, FlowId: `F.${n}` }, at)
      here.world.emit('root', 'Server.Internal.Interrogation', { ClientId: other }, at)
      await until(() => events(one).length === 251 && one.rows.some((row) => row.includes('"_Beat"')))
      expect(events(one)[0]).toBe(
        `{"Timestamp":${Math.floor(at / 1000)},"ClientId":"${client}","FlowId":"F.0","_ts":${Math.floor(at / 1000)},"_Source":"${completion}","_Queue":"${completion}"}`,
      )
      expect(events(one).map((row) => (JSON.parse(row) as { FlowId?: string }).FlowId)).toEqual(
        [...Array(250).keys()].map((n) => `F.${n}`).concat([undefined as never]),
      )
      expect(one.rows.filter((row) => row.includes('"_Beat"'))[0]).toMatch(/^\{"_Queue":"","_Beat":\d{10}\}$/)
      expect(one.end).toBe('open')
    })

    it('holds an event back for a second at most', async () => {
      const one = await watchCompletions()
      await until(() => here.clock.now() % 1000 === 300)
      const at = here.clock.now()
      here.world.emit('root', completion, { ClientId: client, FlowId: flow }, at)
      await until(() => events(one).length === 1, 50)
      expect(here.clock.now() - at).toBeLessThanOrEqual(1500)
    })

    it('lets go of the queues when nobody listens any more', async () => {
      const one = await watchCompletions()
      one.subscription.unsubscribe()
      await until(() => watchers() === 0)
    })

    it('finds the flows of the server and of clients that have ended since a time', async () => {
      const flow = (client_id: string, session_id: string, at: number, state = 'FINISHED') => ({
        ...{ client_id, session_id, state, create_time: (at - 1000) * 1000, active_time: at * 1000 },
      })
      here.world.set({
        flows: [
          flow(client, 'F.OLD', t0 - 1),
          flow(client, 'F.1', t0 + 1),
          flow('server', 'F.2', t0 + 2, 'ERROR'),
          flow(client, 'F.3', t0 + 3, 'RUNNING'),
        ],
      })
      const found = await answer(askRows(here.velociraptor, { org: 'root', ...endedFlowsQuery({ fromMs: t0 }) }))
      const own = found.filter((row) => /^F\.(OLD|\d)$/.test(String(row['session_id'])))
      expect(own.map((row) => [row['client_id'], row['session_id'], row['active_time'], row['state']])).toEqual([
        ['server', 'F.2', (t0 + 2) * 1000, 'ERROR'],
        [client, 'F.1', (t0 + 1) * 1000, 'FINISHED'],
      ])
    })

    it('reads back what was stored, with the time of writing in ms', async () => {
      here.world.emit(
        'root',
        completion,
        { ClientId: client, FlowId: 'F.1', Flow: { at: '2026-01-02T10:00:00.100+02:00' } },
        t0,
      )
      here.world.emit('root', completion, { ClientId: 'server', FlowId: 'F.2' }, t0 + 1)
      here.world.emit('root', completion, { ClientId: other, FlowId: 'F.3' }, t0 + 2)
      here.world.emit('root', completion, { ClientId: client, FlowId: 'F.4' }, t0 + 3)
      here.world.emit('root', 'Server.Internal.Interrogation', { ClientId: client }, t0)
      const all = await answer(
        askRows(here.velociraptor, {
          org: 'root',
          ...clientsHistoryQuery({ queue: completion, fromMs: t0, clients: ['server', client] }),
        }),
      )
      expect(all.map(({ FlowId, _Client, _ts, _Source }) => [FlowId, _Client, _ts, _Source])).toEqual([
        ['F.2', 'server', t0 + 1, 'server'],
        ['F.1', client, t0, 'server'],
        ['F.4', client, t0 + 3, 'server'],
      ])
      expect(all[1]?.['Flow']).toEqual({ at: '2026-01-02T08:00:00.1Z' })
      const later = await answer(
        askRows(here.velociraptor, {
          org: 'root',
          ...clientsHistoryQuery({ queue: completion, fromMs: t0 + 1, clients: ['server', client, other, 'C.0'] }),
        }),
      )
      expect(later.map(({ FlowId }) => FlowId)).toEqual(['F.2', 'F.4', 'F.3'])
      const seen = async (fromMs: number): Promise<readonly unknown[]> =>
        (await answer(askRows(here.velociraptor, { org: 'root', ...seenClientsQuery({ fromMs }) }))).map(
          (row) => row['client_id'],
        )
      expect(await seen(t0)).toEqual([client])
      expect(await seen(t0 - 10 * 86_400_000)).toEqual([client, other])
      const internal = await answer(
        askRows(here.velociraptor, {
          org: 'root',
          ...serverHistoryQuery({ queue: 'Server.Internal.Interrogation', fromMs: 1 }),
        }),
      )
      expect(internal).toEqual([])
    })

    it('looks up flows with their clients, and says null where there is nothing', async () => {
      const keys = [
        { client, flow },
        { client: 'server', flow: 'F.S' },
        { client: 'C.0', flow: 'F.0' },
        { client: other, flow: "F.'" },
      ]
      const found = await answer(lookUpFlows(here.velociraptor, 'root', keys))
      expect([...found.keys()]).toEqual(keys.map(flowKey))
      expect(found.get(flowKey({ client, flow }))).toMatchObject({
        flow: {
          session_id: flow,
          state: 'FINISHED',
          create_time: t0 * 1000,
          start_time: (t0 + 5000) * 1000,
          total_collected_rows: 2,
          total_uploaded_files: 1,
          artifacts_with_results: ['Linux.Sys.Users'],
          request: { creator: 'analyst', artifacts: ['Linux.Sys.Users'], urgent: false, specs: [] },
        },
        client: { client_id: client, labels: ['vip'], os_info: { fqdn: 'host1.example.org', hostname: 'host1' } },
        metadata: { Owner: 'a <b>' },
      })
      expect(found.get('server F.S')).toMatchObject({
        flow: { state: 'ERROR' },
        client: { client_id: 'server' },
        metadata: null,
      })
      expect(found.get('C.0 F.0')).toEqual({ flow: null, client: null, metadata: {} })
      expect(found.get(`${other} F.'`)).toMatchObject({ flow: null, client: { client_id: other }, metadata: {} })
    })

    it('looks up many keys in parts', async () => {
      const keys = [...Array(120).keys()].map((n) => ({ client, flow: `F.${n}` }))
      here.world.set({ flows: keys.map(({ flow: session_id }) => ({ client_id: client, session_id })) })
      let queries = 0
      const counted: Velociraptor = {
        close: () => here.velociraptor.close(),
        query: (request) => {
          queries++
          return here.velociraptor.query(request)
        },
      }
      const found = await answer(lookUpFlows(counted, 'root', [...keys, ...keys]))
      expect([found.size, queries]).toEqual([120, 3])
      expect([...found.values()].every((one) => one.flow !== null)).toBe(true)
    })

    it('looks up hunts without rounding their numbers, and definitions', async () => {
      const hunts = await answer(lookUpHunts(here.velociraptor, 'root', ['H.ABC', 'H.NO']))
      expect(hunts.get('H.ABC')).toMatchObject({
        hunt_description: 'Find <users>',
        tags: ['triage'],
        version: 1_795_564_937_934_178_547n,
      })
      expect(hunts.get('H.NO')).toBeNull()
      const definitions = await answer(
        lookUpDefinitions(here.velociraptor, 'root', ['Linux.Sys.Users', 'No.Such', completion, 'Generic.Client.Info']),
      )
      expect(definitions.get('Linux.Sys.Users')).toEqual({
        name: 'Linux.Sys.Users',
        type: 'client',
        required_permissions: ['EXECVE'],
        implied_permissions: [],
        sources: [{ name: '' }],
        parameters: [{ name: 'PasswordFile', type: '' }],
      })
      expect(definitions.get('No.Such')).toBeNull()
      expect(definitions.get(completion)).toMatchObject({ type: 'client_event', sources: [], parameters: [] })
      expect(definitions.get('Generic.Client.Info')?.['sources']).toHaveLength(5)
    })

    it('tells version, organisations, event tables and uploads', async () => {
      expect(await answer(serverVersion(here.velociraptor))).toBe('0.77.2')
      expect(await answer(orgs(here.velociraptor))).toEqual([
        { id: 'root', name: '<root>' },
        { id: 'O1', name: 'Branch' },
      ])
      expect(await answer(serverMonitoring(here.velociraptor, 'root'))).toEqual({ artifacts: ['Lab.Server.Alerter'] })
      expect(await answer(clientMonitoring(here.velociraptor, 'root'))).toMatchObject({ artifacts: { artifacts: [] } })
      expect(await answer(firstUploads(here.velociraptor, 'root', { client, flow }, 10))).toMatchObject({
        rows: [{ vfs_path: '/a', Timestamp: (t0 + 6000) / 1000 }],
        total: 1,
      })
    })

    it('keeps organisations apart', async () => {
      const root = await watchCompletions()
      const branch = watch({ org: 'O1', ...watchQuery([completion]) })
      await until(() => watchers(completion, 'O1') === 1)
      here.world.emit('O1', completion, { ClientId: 'C.3333333333333333', FlowId: 'F.O1' }, here.clock.now())
      await until(() => events(branch).length === 1)
      expect(events(root)).toEqual([])
      const found = await answer(lookUpFlows(here.velociraptor, 'O1', [{ client, flow }]))
      expect(found.get(flowKey({ client, flow }))).toEqual({ flow: null, client: null, metadata: {} })
    })

    it('carries messages beyond the usual bound of 4 MiB', async () => {
      const text = 'x'.repeat(6_000_000)
      here.world.set({ results: [{ client_id: client, flow_id: flow, artifact: 'Big', rows: [{ text }] }] })
      const one = watch({
        vql: 'SELECT * FROM flow_results(client_id=C, flow_id=F, artifact=A)',
        env: { C: client, F: flow, A: 'Big' },
      })
      await ended(one)
      expect(one.rows[0]?.length).toBe(text.length + 11)
    })

    it('ends with the reason in its log when a queue is unknown or a query is wrong', async () => {
      const unknown = watch({ vql: 'SELECT * FROM watch_monitoring(artifact=Q)', env: { Q: 'No.Such' } })
      expect(await ended(unknown)).toBe('complete')
      expect(failureOf(unknown.log)?.message).toContain('No.Such')
      await expect(answer(askRows(here.velociraptor, { org: 'root', vql: 'SELECT FROM WHERE' }))).rejects.toMatchObject(
        { code: 'VELOCIRAPTOR_DENIED' },
      )
      await expect(answer(askRows(here.velociraptor, { org: 'root', vql: 'SELECT * FROM info()' }))).rejects.toThrow(
        /MACHINE_STATE/,
      )
    })

    it('ends a query after its time, saying that it was cut short', async () => {
      const asked = askRows(here.velociraptor, { org: 'root', vql: 'SELECT Unix FROM clock(period=1)', timeoutS: 3 })
      await expect(answer(asked, 100)).rejects.toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
    })

    it('is denied in an unknown organisation, and without permission to query', async () => {
      expect(await failed(watch({ org: 'Onope', vql: 'SELECT 1 FROM scope()' }))).toMatchObject({
        code: 'VELOCIRAPTOR_DENIED',
      })
      here.world.faults.revoke('root', 'ANY_QUERY')
      expect((await failed(watch({ vql: 'SELECT 1 FROM scope()' }))).message).toMatch(/ANY_QUERY/)
      here.world.faults.grant('root', 'ANY_QUERY')
      expect(await ended(watch({ vql: 'SELECT 1 FROM scope()' }))).toBe('complete')
    })

    it('goes on watching after the permission to read is gone, but begins no new watch', async () => {
      const one = await watchCompletions()
      here.world.faults.revoke('root', 'READ_RESULTS')
      here.world.emit('root', completion, { ClientId: client, FlowId: flow }, here.clock.now())
      await until(() => events(one).length === 1)
      const next = watch(watchQuery([completion]))
      await until(() => next.log.some(({ text }) => text.includes('Permission denied')))
      expect(failureOf(next.log)).toMatchObject({ code: 'VELOCIRAPTOR_DENIED' })
    })

    it('no longer knows a deleted artifact', async () => {
      here.world.faults.deleteArtifact('root', 'Lab.Server.Alerter')
      const one = watch(watchQuery(['Lab.Server.Alerter']))
      await until(() => one.log.length > 1)
      expect(failureOf(one.log)?.message).toContain('Lab.Server.Alerter')
    })

    it('says that it is unavailable when its streams are cut, and can be asked again', async () => {
      const one = await watchCompletions()
      here.world.faults.cut()
      expect(await failed(one)).toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
      expect(watchers()).toBe(0)
      const again = watch({ vql: 'SELECT 1 AS A FROM scope()' })
      await ended(again)
      expect(again.rows).toEqual(['{"A":1}'])
    })

    it('says nothing at all while it is frozen, and everything afterwards', async () => {
      const one = await watchCompletions()
      await until(() => one.log.length > 0)
      here.world.faults.freeze()
      const before = one.rows.length + one.log.length
      here.world.emit('root', completion, { ClientId: client, FlowId: flow }, here.clock.now())
      const from = here.clock.now()
      await until(() => here.clock.now() - from > 20_000, 500)
      expect([one.rows.length + one.log.length - before, one.end]).toEqual([0, 'open'])
      here.world.faults.thaw()
      await until(() => events(one).length === 1)
    })

    it('ends at a cut even while it is frozen', async () => {
      const one = await watchCompletions()
      await until(() => one.log.length > 0)
      here.world.faults.freeze()
      here.world.faults.cut()
      expect(await failed(one)).toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
      here.world.faults.thaw()
    })

    it('refuses connections for a while, and breaks off the open ones', async () => {
      const untilMs = here.clock.now() + 60_000
      const one = await watchCompletions()
      here.world.faults.refuse({ untilMs })
      expect(await failed(one, 1)).toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
      expect(await failed(watch({ vql: 'SELECT 1 FROM scope()' }), 1)).toMatchObject({
        code: 'VELOCIRAPTOR_UNAVAILABLE',
      })
      here.clock.advanceTo(untilMs)
      const answers = async (): Promise<boolean> =>
        (await ended(watch({ vql: 'SELECT 1 FROM scope()' }))) === 'complete'
      const deadline = performance.now() + 5000
      while (!(await answers())) expect(performance.now()).toBeLessThan(deadline)
    })

    it('has lookups that find nothing, break off, or come late', async () => {
      here.world.faults.lookupsEmpty({ times: 1 })
      const empty = await answer(lookUpFlows(here.velociraptor, 'root', [{ client, flow }]))
      expect(empty.get(flowKey({ client, flow }))).toMatchObject({ flow: null, client: null })
      const full = await answer(lookUpFlows(here.velociraptor, 'root', [{ client, flow }]))
      expect(full.get(flowKey({ client, flow }))?.flow).not.toBeNull()
      here.world.faults.lookupsFail({ times: 1 })
      await expect(answer(serverVersion(here.velociraptor))).rejects.toMatchObject({ code: 'VELOCIRAPTOR_UNAVAILABLE' })
      here.world.faults.lookupsSlow(20_000)
      const asked = here.clock.now()
      await answer(serverVersion(here.velociraptor), 100)
      expect(here.clock.now() - asked).toBeGreaterThanOrEqual(20_000)
      here.world.faults.lookupsSlow(40_000)
      const late = here.clock.now()
      await expect(answer(serverVersion(here.velociraptor), 100)).rejects.toMatchObject({
        code: 'VELOCIRAPTOR_UNAVAILABLE',
      })
      expect(here.clock.now() - late).toBeGreaterThanOrEqual(30_000)
      here.world.faults.heal()
      expect(await answer(serverVersion(here.velociraptor))).toBe('0.77.2')
    })

    it('refuses as many queries as it is told to', async () => {
      here.world.faults.refuse({ times: 2 })
      for (const code of ['VELOCIRAPTOR_UNAVAILABLE', 'VELOCIRAPTOR_UNAVAILABLE'])
        await expect(answer(serverVersion(here.velociraptor))).rejects.toMatchObject({ code })
      expect(await answer(serverVersion(here.velociraptor))).toBe('0.77.2')
    })

    it('delivers in-app messages', async () => {
      here.world.set({ users: [{ name: 'analyst', roles: ['investigator'] }] })
      const vql = 'SELECT user_message(user=To, message=parse_json(data=Body)) AS Sent FROM scope()'
      await answer(askRows(here.velociraptor, { org: 'root', vql, env: { To: 'analyst', Body: '{"Message":"hi"}' } }))
      expect(here.world.messages).toMatchObject([{ to: 'analyst', from: 'connector' }])
      await answer(askRows(here.velociraptor, { org: 'root', vql, env: { To: 'nobody', Body: '{}' } }))
      expect(here.world.messages).toHaveLength(1)
    })

    it('ends what runs and refuses what comes once it is closed', async () => {
      const one = await watchCompletions()
      await here.velociraptor.close()
      expect(await failed(one)).toMatchObject({ code: 'CLOSED' })
      expect(await failed(watch({ vql: 'SELECT 1 FROM scope()' }))).toMatchObject({ code: 'CLOSED' })
      await until(() => watchers() === 0)
      await here.velociraptor.close()
    })
  })
}
