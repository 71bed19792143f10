import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseExact } from '../../../../connectors/velociraptor/exact-json.ts'
import { type StandIn, startStandIn } from '../../../../connectors/velociraptor/stand-in/server.ts'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld, type StandInWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../../../pipeline/runtime/system-clock.ts'
import { virtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'
import { lines, membersOf } from '../recordings.ts'
import { type ApiCalls, openCalls } from './api-calls.ts'

interface Recorded {
  readonly case: string
  readonly role: string
  readonly request: Readonly<Record<string, unknown>>
  readonly code: number
  readonly details?: string
  /** Base64; of much data its length and SHA-256. */
  readonly data?: string
  readonly length?: number
  readonly sha256?: string
}

interface KeptRow {
  readonly org: string
  readonly client_id: string
  readonly flow_id: string
  /** As `uploads()` gave it, byte for byte. */
  readonly row: string
}

const users: Readonly<Record<string, string>> = {
  api: 'connector',
  reader: 'readeronly',
  administrator: 'admin',
  artifact_writer: 'writer',
  none: 'norole',
}
const recorded = lines('probes/vfs-get-buffer.jsonl').map((line) => JSON.parse(line) as Recorded)
const textOf = (name: string): string => {
  const found = recorded.find((one) => one.case === name)
  return Buffer.from(found?.data ?? '', 'base64').toString('utf8')
}
const kept: readonly KeptRow[] = lines('state/kept-uploads.jsonl').map((line) => ({
  ...(JSON.parse(line) as KeptRow),
  row: (membersOf(line).at(-1) ?? '').replace(/^"row":/, ''),
}))
const contents: Readonly<Record<string, string | Uint8Array>> = {
  'big.bin': Uint8Array.from({ length: 2_500_000 }, (_, n) => (n * 7 + (n >> 8)) & 255),
  '.hidden': 'dot',
  'empty.txt': '',
  'naïve <file> & co.txt': 'x',
  'places.db': 'SQLite',
  'report-1.txt': 'report one: all is well\n',
  'rows.json': '{"a":1}\n',
  'table.csv': 'a,b\n1,2\n',
  under_: 'under',
  'gaps.bin': '01234abcj',
}
const ofServer: Readonly<Record<string, string>> = {
  'notes/summary.txt': 'a summary of it',
  'plain.txt': 'plain',
  'rows.json': '{"a":1}',
}
const ranges = [
  { offset: 0, length: 5 },
  { offset: 10, length: 3 },
  { offset: 19, length: 1 },
]
const t0 = 1_796_028_456_000
const day = '2026-11-30'

/** What a world says of a kept row: where the file was, when it came, and its bytes. */
const described = ({ client_id, row }: KeptRow): readonly Readonly<Record<string, unknown>>[] => {
  const { Timestamp, started, Type, _Components } = JSON.parse(row) as Readonly<Record<string, unknown>>
  if (Type === 'idx') return []
  const [, , , , , , ...inside] = _Components as readonly string[]
  const name = inside.at(-1) ?? ''
  const times = { Timestamp, started }
  if (client_id === 'server') return [{ ...times, client_path: name, content: ofServer[name] }]
  const file = { ...times, client_path: `/${inside.join('/')}`, content: contents[name] }
  return [name === 'gaps.bin' ? { ...file, ranges } : file]
}

/** The world of the recorded server. */
const recordedStore = (): StandInWorld => {
  const flows = new Map(kept.map(({ org, client_id, flow_id }) => [`${org} ${flow_id}`, { org, client_id, flow_id }]))
  const client = kept[0]?.client_id ?? ''
  const rowsOf = (name: string): object => {
    const request = recorded.find((one) => one.case === name)?.request ?? {}
    const [, client_id, , artifact, file = ''] = request['components'] as readonly string[]
    return { client_id, flow_id: file.replace('.json', ''), artifact, rows: [parseExact(textOf(name))] }
  }
  const world = createWorld({
    now: t0,
    orgs: [{ id: 'O1', name: 'Lab' }],
    clients: [{ client_id: client }],
    users: [
      { name: 'connector', roles: ['api'] },
      { name: 'readeronly', roles: ['reader'] },
      { name: 'writer', roles: ['artifact_writer'] },
      { name: 'admin', roles: ['administrator'] },
      { name: 'admin', roles: ['administrator'], org_id: 'O1' },
    ],
    artifacts: [
      { name: 'Lab.Server.Trigger', type: 'SERVER_EVENT' },
      { name: 'Lab.Client.Trigger', type: 'CLIENT_EVENT' },
    ],
    uploads: [...flows.values()].map((flow) => ({
      ...flow,
      rows: kept.filter(({ org, flow_id }) => org === flow.org && flow_id === flow.flow_id).flatMap(described),
    })),
    results: [rowsOf('the rows of a flow'), rowsOf('the rows of a flow of a client')] as Readonly<
      Record<string, unknown>
    >[],
  })
  const emit = (queue: string, name: string, of: string): void => {
    for (const line of textOf(name).trim().split('\n')) world.emit('root', queue, line, t0, of)
  }
  emit('Lab.Server.Trigger', 'the day file of a server queue', 'server')
  emit('Server.Internal.Alerts', 'the day file of alerts', 'server')
  emit('Lab.Client.Trigger', 'the day file of a client', client)
  return world
}

const nothingOfThePath = (details = ''): string => details.replace(/^open .*: /, 'open …: ')

describe('VFSGetBuffer of the stand-in server', () => {
  const calls = new Map<string, ApiCalls>()
  let dir: string
  let world: StandInWorld
  let server: StandIn
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
    world = recordedStore()
    server = await startStandIn({ world, clock: systemClock(), port: 0, dir })
    for (const [role, user] of Object.entries(users)) calls.set(role, openCalls(server.apiConfigFor(user)))
  })
  afterAll(async () => {
    for (const one of calls.values()) one.close()
    await server.close()
    rmSync(dir, { recursive: true })
  })
  const ask = async (request: object, role = 'api') => {
    const ended = await calls.get(role)?.call('VFSGetBuffer', request)
    if (ended === undefined) throw new Error(`nobody has the role ${role}`)
    return ended
  }
  const bytesOf = async (request: object): Promise<Buffer> => (await ask(request)).answer?.['data'] as Buffer

  it.each(recorded.map((one) => [one.case, one] as const))(
    'answers as the recorded server did: %s',
    async (_, { role, request, code, details, data, length, sha256 }) => {
      const { answer, ...ended } = await ask(
        'data' in request ? { ...request, data: Buffer.from(String(request['data'])) } : request,
        role,
      )
      expect({ ...ended, details: nothingOfThePath(ended.details) }).toEqual({
        code,
        details: nothingOfThePath(details),
      })
      if (code !== 0) return
      const { data: found, ...others } = answer as { readonly data: Buffer }
      expect(others).toEqual({ client_id: '', components: [], offset: '0', length: 0, org_id: '' })
      if (data === undefined)
        expect([found.length, createHash('sha256').update(found).digest('hex')]).toEqual([length, sha256])
      else expect(found.toString('base64')).toBe(data)
    },
  )

  it('has the files that uploads() names, whose rows are those of the recorded server', async () => {
    const clock = virtualClock(t0)
    for (const org of ['root', 'O1'])
      for (const flow of new Set(kept.filter((one) => one.org === org).map(({ flow_id }) => flow_id))) {
        const of = kept.filter((one) => one.org === org && one.flow_id === flow)
        const rows: string[] = []
        standInVelociraptor(world, { clock, principal: 'admin' })
          .query({
            org,
            vql: 'SELECT * FROM uploads(client_id=C, flow_id=F)',
            env: { C: of[0]?.client_id ?? '', F: flow },
          })
          .subscribe((message) => message.kind === 'rows' && rows.push(...message.rows))
        clock.advanceTo(clock.now() + 1000)
        // The server looks at its clock anew for the index of a sparse file.
        const toTheMs = (row: string): string => row.replace(/("started":"[^".]*\.\d{3})\d+/, '$1')
        expect(rows.map(toTheMs)).toEqual(of.map(({ row }) => toTheMs(row)))
      }
  })

  it('gives a file in pieces of any length, until there is nothing more', async () => {
    const components = (
      JSON.parse(kept.find(({ row }) => row.includes('big.bin'))?.row ?? '') as {
        _Components: readonly string[]
      }
    )._Components
    const pieces: Buffer[] = []
    for (let offset = 0; ; offset += pieces.at(-1)?.length ?? 0) {
      const piece = await bytesOf({ components, offset, length: 700_001 })
      if (piece.length === 0) break
      pieces.push(piece)
    }
    expect(pieces).toHaveLength(4)
    expect(Buffer.concat(pieces).equals(contents['big.bin'] as Uint8Array)).toBe(true)
  })

  it('cuts a sparse file at any place as if its gaps had been stored', async () => {
    const components = (
      JSON.parse(kept.find(({ row }) => row.includes('gaps.bin'))?.row ?? '') as {
        _Components: readonly string[]
      }
    )._Components
    const whole = await bytesOf({ components, length: 100 })
    for (let offset = 0; offset <= whole.length; offset++)
      for (let length = 0; length <= whole.length + 1 - offset; length++)
        expect(await bytesOf({ components, offset, length })).toEqual(whole.subarray(offset, offset + length))
  })
})

describe('files of the stand-in server', () => {
  const client_id = 'C.1111111111111111'
  const now = '2026-11-30T12:00:00Z'
  let dir: string
  let world: StandInWorld
  let server: StandIn
  let calls: ApiCalls
  const open = async (given: Parameters<typeof createWorld>[0] = {}): Promise<void> => {
    dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
    world = createWorld({ now, clients: [{ client_id }], ...given })
    server = await startStandIn({ world, clock: virtualClock(Date.parse(now)), port: 0, dir })
    calls = openCalls(server.apiConfig)
  }
  const close = async (): Promise<void> => {
    calls.close()
    await server.close()
    rmSync(dir, { recursive: true })
  }
  const read = async (...components: readonly string[]): Promise<string | number> => {
    const { code, answer } = await calls.call('VFSGetBuffer', { components, length: 10_000 })
    return code === 0 ? String(answer?.['data']) : code
  }
  const at = (flow: string, ...more: readonly string[]): readonly string[] => [
    ...['clients', client_id, 'collections', flow, 'uploads', 'file', ...more],
  ]
  const fileOf = (flow: string, content: string): object => ({
    uploads: [{ client_id, flow_id: flow, rows: [{ client_path: '/a.txt', content }] }],
  })

  it('are as many bytes as their base64 says, and lie where Windows had them', async () => {
    const rows = [
      { client_path: String.raw`C:\Users\alice\a.bin`, content_base64: 'AP+A' },
      { client_path: '/b', _accessor: 'auto', content: 'b' },
      { client_path: '/none' },
    ]
    await open({ uploads: [{ client_id, flow_id: 'F.1', rows }] })
    const components = at('F.1', 'C:', 'Users', 'alice', 'a.bin')
    const { answer } = await calls.call('VFSGetBuffer', { components, length: 10 })
    expect(answer?.['data']).toEqual(Buffer.from([0, 255, 128]))
    expect(await read('clients', client_id, 'collections', 'F.1', 'uploads', 'auto', 'b')).toBe('b')
    expect(await read(...at('F.1', 'none'))).toBe(5)
    await close()
  })

  it('are replaced with their flow, and go with their client', async () => {
    await open(fileOf('F.1', 'one'))
    world.set(fileOf('F.10', 'ten'))
    world.set({ uploads: [{ client_id, flow_id: 'F.1', rows: [{ client_path: '/b.txt', content: 'two' }] }] })
    expect([await read(...at('F.1', 'a.txt')), await read(...at('F.1', 'b.txt'))]).toEqual([5, 'two'])
    expect(await read(...at('F.10', 'a.txt'))).toBe('ten')
    world.faults.deleteClient('root', client_id)
    expect([await read(...at('F.1', 'b.txt')), await read(...at('F.10', 'a.txt'))]).toEqual([5, 5])
    await close()
  })

  it('are kept from who lost the permission to read results', async () => {
    await open(fileOf('F.1', 'one'))
    world.faults.revoke('root', 'READ_RESULTS')
    expect(await read(...at('F.1', 'a.txt'))).toBe(7)
    world.faults.grant('root', 'READ_RESULTS')
    expect(await read(...at('F.1', 'a.txt'))).toBe('one')
    await close()
  })

  it('hold the events and log lines of a day, those of named sources in folders of their own, none before they are written', async () => {
    const source = { sources: ['Alpha'] }
    await open({
      artifacts: [
        { name: 'Lab.Server.Multi', type: 'SERVER_EVENT', ...source },
        { name: 'Lab.Client.Multi', type: 'CLIENT_EVENT', ...source },
      ],
    })
    const t = Date.parse(now)
    world.emit('root', 'Lab.Server.Multi/Alpha', { n: 1 }, t)
    world.emit('root', 'Lab.Server.Multi/Alpha', { n: 2 }, t - 86_400_000)
    world.emit('root', 'Lab.Client.Multi/Alpha', { ClientId: client_id, n: 3 }, t)
    world.log('root', 'server', 'Lab.Server.Multi/Alpha', { level: 'ERROR', message: 'no' }, t)
    world.log('root', client_id, 'Lab.Client.Multi', { level: 'INFO', message: 'yes' }, t)
    const file = `${day}.json`
    const seconds = t / 1000
    expect(await read('server_artifacts', 'Lab.Server.Multi', 'Alpha', file)).toBe(
      `{"n":1,"_ts":${seconds},"_Source":"VelociraptorServer"}\n`,
    )
    expect(await read('server_artifacts', 'Lab.Server.Multi', 'Alpha', '2026-11-29.json')).toMatch(/^\{"n":2,.*\n$/)
    expect(await read('server_artifacts', 'Lab.Server.Multi', file)).toBe(5)
    expect(await read('server_artifacts', 'Lab.Client.Multi', 'Alpha', file)).toBe(5)
    expect(await read('clients', client_id, 'monitoring', 'Lab.Client.Multi', 'Alpha', file)).toBe(
      `{"ClientId":"${client_id}","n":3,"_ts":${seconds},"_Source":"${client_id}"}\n`,
    )
    expect(await read('server_artifact_logs', 'Lab.Server.Multi', 'Alpha', file)).toBe(
      `{"Timestamp":"2026-11-30 12:00:00 +0000 UTC","Level":"ERROR","Message":"no"}\n`,
    )
    expect(await read('clients', client_id, 'monitoring_logs', 'Lab.Client.Multi', file)).toBe(
      `{"client_time":${seconds},"level":"INFO","message":"yes"}\n`,
    )
    world.readDelayMs = 1000
    expect(await read('server_artifacts', 'Lab.Server.Multi', 'Alpha', file)).toBe(5)
    await close()
  })

  it('hold the rows of a flow, of each named source in a folder of the flow', async () => {
    await open({
      results: [
        { client_id, flow_id: 'F.1', artifact: 'Linux.Sys.Users', rows: [{ User: 'a <b>' }, { User: 'c' }] },
        { client_id, flow_id: 'F.1', artifact: 'Generic.Client.Info/Users', rows: [{ N: 1 }] },
      ],
    })
    const folder = ['clients', client_id, 'artifacts']
    expect(await read(...folder, 'Linux.Sys.Users', 'F.1.json')).toBe('{"User":"a \\u003cb\\u003e"}\n{"User":"c"}\n')
    expect(await read(...folder, 'Generic.Client.Info', 'F.1', 'Users.json')).toBe('{"N":1}\n')
    expect(await read(...folder, 'Generic.Client.Info', 'F.1.json')).toBe(5)
    expect(await read(...folder, 'Generic.Client.Info', 'F.1')).toBe('')
    await close()
  })

  it('come when the server is no longer frozen, as every answer does', async () => {
    await open(fileOf('F.1', 'one'))
    expect(await read(...at('F.1', 'a.txt'))).toBe('one')
    world.faults.freeze()
    const requests = [
      ['VFSGetBuffer', { components: at('F.1', 'a.txt'), length: 10 }],
      ['PushEvents', { artifact: 'No.Such', client_id: 'server' }],
      ['Check', {}],
    ] as const
    const impatient = await Promise.all(requests.map(([method, request]) => calls.call(method, request, 300)))
    expect(impatient.map(({ code }) => code)).toEqual([4, 4, 4])
    const patient = requests.map(([method, request]) => calls.call(method, request))
    world.faults.thaw()
    expect((await Promise.all(patient)).map(({ code }) => code)).toEqual([0, 7, 0])
    await close()
  })
})
