import { describe, expect, it } from 'vitest'
import { askRows, lookUpFlows, serverMonitoring } from '../../../../connectors/velociraptor/lookups.ts'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { momentNs } from '../../../../connectors/velociraptor/stand-in/moments.ts'
import type { WorldDescription } from '../../../../connectors/velociraptor/stand-in/world-description.ts'
import { createWorld, type StandInWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'

const now = '2026-04-22T14:42:27Z'
const t0 = Date.parse(now)
const client = 'C.1111111111111111'

const open = (description: WorldDescription = {}) => {
  const world = createWorld({ now, ...description })
  const clock = virtualClock(t0)
  const velociraptor = standInVelociraptor(world, { clock })
  const ask = async (vql: string, env: Readonly<Record<string, string>> = {}) => {
    const asked = askRows(velociraptor, { org: 'root', vql, env })
    clock.advanceTo(clock.now())
    return asked
  }
  return { world, clock, velociraptor, ask }
}

/** The rows that a watcher of a queue is given, as JSON text. */
const watchedTexts = (world: StandInWorld, queue: string, act: () => void): readonly string[] => {
  const clock = virtualClock(t0)
  const rows: string[] = []
  standInVelociraptor(world, { clock })
    .query({ org: 'root', vql: 'SELECT * FROM watch_monitoring(artifact=Q)', env: { Q: queue } })
    .subscribe((message) => message.kind === 'rows' && rows.push(...message.rows))
  clock.advanceTo(t0)
  act()
  clock.advanceTo(t0 + 5000)
  return rows
}

/** The same, parsed. */
const watched = (world: StandInWorld, queue: string, act: () => void): readonly unknown[] =>
  watchedTexts(world, queue, act).map((row) => JSON.parse(row) as unknown)

describe('moments', () => {
  it.each([
    ['T', 0],
    ['T+9s', 9000],
    ['T-90d', -90 * 86_400_000],
    ['T+1h30m', 5_400_000],
    ['T-1d+2h', -79_200_000],
    ['T+250ms', 250],
    ['T+1.5s', 1500],
    ['2026-04-22T14:42:28Z', 1000],
    ['2026-04-22T16:42:27+02:00', 0],
  ])('%s is read', (text, ms) => {
    expect(momentNs(text, t0)).toBe(BigInt(t0 + ms) * 1_000_000n)
  })

  it.each(['', 'Today', 'T+5', 'T 5s', '5s', '2026-04-22', 'T+5x'])('%j is none', (text) => {
    expect(momentNs(text, t0)).toBeNull()
  })
})

describe('the world of a scenario', () => {
  it('gives known times the unit of their field and leaves free data alone', async () => {
    const { ask } = open({
      clients: [{ client_id: client, first_seen_at: 'T-90d', last_seen_at: 'T', metadata: { note: 'T' } }],
      flows: [{ client_id: client, session_id: 'F.1', create_time: 'T', start_time: 'T+5s', status: 'T+5s' }],
      hunts: [{ hunt_id: 'H.1', create_time: 'T-1h', hunt_description: 'T' }],
    })
    const [row] = await ask(
      "SELECT client_info(client_id=C) AS C, client_metadata(client_id=C) AS M, { SELECT * FROM flows(client_id=C, flow_id='F.1') } AS F, hunt_info(hunt_id='H.1') AS H FROM scope()",
      { C: client },
    )
    expect(row).toMatchObject({
      C: { first_seen_at: t0 / 1000 - 90 * 86_400, last_seen_at: t0 * 1000 },
      M: { note: 'T' },
      F: { create_time: t0 * 1000, start_time: (t0 + 5000) * 1000, status: 'T+5s' },
      H: { create_time: (t0 - 3_600_000) * 1000, hunt_description: 'T', start_request: { flow_id: 'F.1.H' } },
    })
  })

  it('takes no default where null stands', async () => {
    const { ask } = open({
      clients: [{ client_id: client, first_seen_at: null, os_info: null, metadata: null }],
      flows: [{ client_id: client, session_id: 'F.1', request: null, start_time: null }],
    })
    const [row] = await ask(
      "SELECT client_info(client_id=C) AS C, client_metadata(client_id=C) AS M, { SELECT * FROM flows(client_id=C, flow_id='F.1') } AS F FROM scope()",
      { C: client },
    )
    expect(row).toMatchObject({
      C: { first_seen_at: null, os_info: null },
      F: { request: null, start_time: null, state: 'FINISHED' },
    })
  })

  it('replaces an item by one of the same identity and keeps the others', async () => {
    const { world, velociraptor, clock } = open({
      flows: [
        { client_id: client, session_id: 'F.1', state: 'RUNNING' },
        { client_id: client, session_id: 'F.2' },
      ],
    })
    world.set({ flows: [{ client_id: client, session_id: 'F.1', state: 'ERROR' }] })
    const asked = lookUpFlows(velociraptor, 'root', [
      { client, flow: 'F.1' },
      { client, flow: 'F.2' },
    ])
    clock.advanceTo(t0)
    expect([...(await asked).values()].map(({ flow }) => flow?.['state'])).toEqual(['ERROR', 'FINISHED'])
  })

  it('keeps one row of each user and organisation, the last that was said', async () => {
    const { world, ask } = open({
      orgs: [{ id: 'O1', name: 'one' }],
      users: [
        { name: 'admin', roles: ['reader'] },
        { name: 'admin', org_id: 'O1', roles: ['reader'] },
        { name: 'guest', org: 'O1', roles: ['reader'] },
      ],
    })
    world.set({ users: [{ name: 'admin', roles: ['analyst'] }] })
    const ofRoot = [{ name: 'admin', org_id: 'root', org_name: '<root>', roles: ['analyst'] }]
    // What `org_id` alone says is taken as it stands.
    const ofOther = [
      { name: 'admin', org_id: 'O1', org_name: '<root>', roles: ['reader'] },
      { name: 'guest', org_id: 'O1', org_name: 'one', roles: ['reader'] },
    ]
    const columns = 'SELECT name, org_id, org_name, roles FROM'
    expect(await ask(`${columns} gui_users(all_orgs=TRUE)`)).toEqual([...ofRoot, ...ofOther])
    expect(await ask(`${columns} gui_users()`)).toEqual(ofRoot)
  })

  it('shows an artifact in every organisation unless it belongs to one', async () => {
    const { velociraptor, clock } = open({
      orgs: [{ id: 'O1', name: 'one' }],
      artifacts: [{ name: 'Lab.All' }, { name: 'Lab.One', org: 'O1' }],
    })
    const vql = "SELECT name FROM artifact_definitions() WHERE name =~ '^Lab'"
    const asked = ['root', 'O1'].map((org) => askRows(velociraptor, { org, vql }))
    clock.advanceTo(t0)
    expect(await Promise.all(asked)).toEqual([[{ name: 'Lab.All' }], [{ name: 'Lab.All' }, { name: 'Lab.One' }]])
  })

  it('counts a sparse file of a flow once, whose index is a row of its own', async () => {
    const ranges = [{ offset: 4, length: 2 }]
    const { ask } = open({
      flows: [{ client_id: client, session_id: 'F.1' }],
      uploads: [{ client_id: client, flow_id: 'F.1', rows: [{ client_path: '/a', content: 'xy', ranges }] }],
    })
    expect(await ask("SELECT Type FROM uploads(client_id=C, flow_id='F.1')", { C: client })).toEqual([
      { Type: '' },
      { Type: 'idx' },
    ])
    expect(
      await ask("SELECT total_uploaded_files, total_uploaded_bytes FROM flows(client_id=C, flow_id='F.1')", {
        C: client,
      }),
    ).toEqual([{ total_uploaded_files: 1, total_uploaded_bytes: 2 }])
  })

  it('fills in time and flow of a completion, as a modern server does', () => {
    const world = createWorld({
      now,
      flows: [
        {
          client_id: client,
          session_id: 'F.1',
          state: 'ERROR',
          status: 'no',
          request: { creator: 'analyst' },
          create_time: 'T',
          query_stats: [{ status: 'GENERIC_ERROR', result_rows: 2 }],
        },
      ],
    })
    const rows = watched(world, 'System.Flow.Completion', () =>
      world.emit('root', 'System.Flow.Completion', { ClientId: client, FlowId: 'F.1' }, t0 + 9000),
    )
    expect(rows).toEqual([
      {
        Timestamp: t0 / 1000 + 9,
        Flow: {
          client_id: client,
          session_id: 'F.1',
          total_requests: 1,
          start_time: t0 * 1000,
          active_time: t0 * 1000,
          state: 3,
          status: 'no',
          query_stats: [{ status: 10, result_rows: 2 }],
        },
        ClientId: client,
        FlowId: 'F.1',
        _ts: t0 / 1000 + 9,
        _Source: 'System.Flow.Completion',
      },
    ])
  })

  it('keeps the times that a row brings', () => {
    const world = createWorld({ now })
    const rows = watched(world, 'Server.Internal.Alerts', () => {
      world.emit('root', 'Server.Internal.Alerts', { name: 'a', event_data: { at: 'T' } }, t0 + 1500)
      world.emit('root', 'Server.Internal.Alerts', { name: 'b', timestamp: 'T-1m', _ts: 'T-30s' }, t0)
      world.emit('root', 'Server.Internal.Alerts', { name: 'c', timestamp: '2026-01-02T10:00:00+02:00' }, t0)
      world.emit('root', 'Server.Internal.Alerts', { name: 'd', timestamp: null }, t0)
    })
    expect(rows).toMatchObject([
      { timestamp: '2026-04-22T14:42:28.5Z', event_data: { at: 'T' }, _ts: t0 / 1000 + 1 },
      { timestamp: '2026-04-22T14:41:27Z', _ts: t0 / 1000 - 30 },
      { timestamp: '2026-01-02T10:00:00+02:00' },
      { timestamp: null },
    ])
  })

  it('escapes <, > and & in every queue, but not inside the hunt of a new hunt', () => {
    const { world } = open()
    const text = '<a> & b'
    const escaped = String.raw`"\u003ca\u003e \u0026 b"`
    const [hunt] = watchedTexts(world, 'System.Hunt.Creation', () =>
      world.emit('root', 'System.Hunt.Creation', { Hunt: { hunt_description: text }, Note: text }, t0),
    )
    expect(hunt).toContain(`"Hunt":{"hunt_description":"${text}"},"Note":${escaped}`)
    world.knowQueue('root', 'Lab.Queue')
    const [row] = watchedTexts(world, 'Lab.Queue', () => world.emit('root', 'Lab.Queue', { Hunt: text }, t0))
    expect(row).toContain(`"Hunt":${escaped}`)
  })

  it('stores what is not INTERNAL, readable only after its delay', async () => {
    const { world, ask, clock } = open()
    world.readDelayMs = 2000
    world.emit('root', 'Server.Audit.Logs', { operation: 'x', principal: 'admin', details: {} }, t0)
    const vql = "SELECT * FROM monitoring(client_id='any', artifact='Server.Audit.Logs', start_time=From, end_time=To)"
    const all = { From: '1', To: String(t0 + 60_000) }
    expect(await ask(vql, all)).toEqual([])
    clock.advanceTo(t0 + 2000)
    expect(await ask(vql, all)).toMatchObject([{ operation: 'x', _Source: 'admin', _ts: t0 }])
    expect(await ask(vql, { ...all, From: String(t0) })).toHaveLength(1)
    expect(await ask(vql, { ...all, From: String(t0 + 1) })).toHaveLength(0)
    expect(await ask(vql, { ...all, From: `${t0 / 1000}.5` })).toHaveLength(1)
    expect(await ask(vql, { ...all, To: String(t0) })).toHaveLength(0)
  })

  it('stores log lines of the server and of clients in their own shapes', async () => {
    const { world, ask } = open()
    world.log('root', 'server', 'Lab.Server.Noisy/Main', { level: 'ERROR', message: 'a\n' }, t0 + 250)
    world.log('root', client, 'Lab.Client.X', { level: 'INFO', message: 'b', client_time: 'T-5m' }, t0)
    const vql = 'SELECT * FROM monitoring_logs(client_id=C, artifact=A, start_time=S)'
    expect(await ask(vql, { C: 'server', A: 'Lab.Server.Noisy/Main', S: String(t0) })).toEqual([
      { Timestamp: '2026-04-22 14:42:27.25 +0000 UTC', Level: 'ERROR', Message: 'a\n', _ts: t0 + 250 },
    ])
    expect(await ask(vql, { C: client, A: 'Lab.Client.X', S: '1' })).toEqual([
      { client_time: t0 / 1000 - 300, level: 'INFO', message: 'b', _ts: t0 },
    ])
    expect(await ask(vql, { C: 'server', A: 'Lab.Server.Noisy', S: '1' })).toEqual([])
  })

  it('has every artifact that logs in its table, unless the world says what is in it', async () => {
    const { world, velociraptor, clock } = open({ artifacts: [{ name: 'A.B', type: 'SERVER_EVENT' }] })
    world.log('root', 'server', 'Lab.Server.Noisy/Main', { level: 'ERROR', message: 'a' }, t0)
    const table = async () => {
      const asked = serverMonitoring(velociraptor, 'root')
      clock.advanceTo(clock.now())
      return asked
    }
    expect(await table()).toEqual({ artifacts: ['A.B', 'Lab.Server.Noisy'] })
    world.set({ server_monitoring: { artifacts: ['X'] } })
    expect(await table()).toEqual({ artifacts: ['X'] })
  })

  it('says of an upload with bytes what the server says, and what it is told instead', async () => {
    const rows = [
      { client_path: '/srv/a b.txt', content: 'naïve', Timestamp: 'T+9s', file_size: 99 },
      { vfs_path: '/b' },
    ]
    const { ask } = open({ uploads: [{ client_id: client, flow_id: 'F.1', rows }] })
    const components = ['clients', client, 'collections', 'F.1', 'uploads', 'file', 'srv', 'a b.txt']
    const [file, bare] = await ask("SELECT * FROM uploads(client_id=C, flow_id='F.1')", { C: client })
    expect(file).toEqual({
      Timestamp: t0 / 1000 + 9,
      started: '2026-04-22 14:42:27 +0000 UTC',
      vfs_path: `fs:/${components.join('/')}`,
      Type: '',
      _Components: components,
      file_size: 99,
      _accessor: 'file',
      _client_components: ['srv', 'a b.txt'],
      uploaded_size: 6,
      client_path: '/srv/a b.txt',
      Upload: { Path: '/srv/a b.txt', Size: 6, StoredSize: 6, Components: components, Accessor: 'file', UploadId: 0 },
    })
    expect(bare).toEqual({ vfs_path: '/b' })
  })

  it('lists the uploads of the flow or the hunt that the call names, or else the variables', async () => {
    const hunted = { client_id: client, session_id: 'F.ABC.H' }
    const uploads = ['F.1', 'F.ABC.H'].map((flow_id) => ({ client_id: client, flow_id, rows: [{ vfs_path: flow_id }] }))
    const { ask } = open({ clients: [{ client_id: client }], flows: [hunted], hunts: [{ hunt_id: 'H.ABC' }], uploads })
    const paths = async (call: string, env: Readonly<Record<string, string>>): Promise<readonly unknown[]> =>
      (await ask(`SELECT vfs_path FROM uploads(${call})`, env)).map((row) => row['vfs_path'])
    const one = { ClientId: client, FlowId: 'F.1' }
    expect(await paths('', one)).toEqual(['F.1'])
    expect(await paths('client_id=ClientId, flow_id=FlowId', one)).toEqual(['F.1'])
    expect(await paths("flow_id='F.1'", { ClientId: client })).toEqual(['F.1'])
    expect(await paths("client_id='C.0'", one)).toEqual([])
    expect(await paths('', {})).toEqual([])
    const hunt = { ...one, HuntId: 'H.ABC' }
    expect(await paths('', hunt)).toEqual(['F.ABC.H'])
    expect(await paths("hunt_id=''", hunt)).toEqual(['F.1'])
    expect(await ask("SELECT * FROM uploads(hunt_id='H.ABC')")).toEqual([
      { vfs_path: 'F.ABC.H', ClientId: client, FlowId: 'F.ABC.H' },
    ])
  })

  it('packs no flow for role api', async () => {
    const clock = virtualClock(t0)
    const told: string[] = []
    standInVelociraptor(createWorld({ now }), { clock })
      .query({ org: 'root', vql: 'SELECT create_flow_download(wait=TRUE, client_id=C, flow_id=F) AS D FROM scope()' })
      .subscribe((message) => told.push(...(message.kind === 'log' ? [message.text] : message.rows)))
    clock.advanceTo(t0 + 1000)
    expect(told).toContain('create_flow_download: PermissionDenied: Permission denied: [PREPARE_RESULTS]')
    expect(told).toContain('{"D":null}')
  })

  it('delivers a named source to those who watch its full name', () => {
    const world = createWorld({
      now,
      artifacts: [{ name: 'Lab.Multi', type: 'CLIENT_EVENT', sources: ['Alpha', 'Beta'] }],
    })
    const emit = (): void => world.emit('root', 'Lab.Multi/Beta', { ClientId: client, n: 1 }, t0)
    expect(watched(world, 'Lab.Multi/Beta', emit)).toHaveLength(1)
    expect(watched(world, 'Lab.Multi', emit)).toHaveLength(0)
    expect(watched(world, 'Lab.Multi/Alpha', emit)).toHaveLength(0)
  })

  it('says which organisation it does not know', () => {
    expect(() => createWorld({ clients: [{ client_id: client, org: 'O9' }] })).toThrow(/O9/)
  })
})
