import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { standInVelociraptor } from '../../../../connectors/velociraptor/stand-in/in-process.ts'
import { type StandIn, startStandIn } from '../../../../connectors/velociraptor/stand-in/server.ts'
import { createWorld, type StandInWorld } from '../../../../connectors/velociraptor/stand-in/world.ts'
import { virtualClock, type VirtualClock } from '../../../../pipeline/runtime/virtual-clock.ts'
import { lines, transcripts } from '../recordings.ts'
import { type ApiCalls, openCalls } from './api-calls.ts'

interface Recorded {
  readonly case: string
  readonly role: string
  readonly request: {
    readonly artifact: string
    readonly client_id: string
    readonly jsonl: string
    readonly org_id?: string
    readonly write?: boolean
  }
  readonly code: number
  readonly details?: string
  /** The rows that came of it to who watched the queue. */
  readonly live?: readonly string[]
  /** The rows that came of it in the queue's history. */
  readonly stored?: readonly string[]
}

const users: Readonly<Record<string, string>> = {
  api: 'connector',
  administrator: 'admin',
  'administrator with publish_queues': 'publisher',
  none: 'norole',
}
const recorded = lines('probes/push-events.jsonl').map((line) => JSON.parse(line) as Recorded)
const t0 = 1_796_028_942_000
const granted = [
  ...['Lab.Server.Trigger', 'Lab.Client.Trigger', 'Lab.Server.Multi', 'Lab.Server.Multi/Alpha', 'No.Such'],
  ...['Lab.Server.Multi/None', 'Lab.Client.Docs', 'Lab.Server.Upload'],
  ...['Server.Internal.Interrogation', 'System.Flow.Completion'],
]

/** Of JSON that it does not understand each server says in its own words why. */
const isAboutJson = (details: string): boolean => /JSON|invalid character/.test(details)

/** A row whose time is of the day of the recording, in its unit, without the time. */
const withoutTime = (row: string): string =>
  row.replace(/"_ts":179602\d{4}(\d{3})?(?!\d)/, (_, ms?: string) => `"_ts":${ms === undefined ? 's' : 'ms'}`)

describe('PushEvents of the stand-in server', () => {
  const calls = new Map<string, ApiCalls>()
  let dir: string
  let clock: VirtualClock
  let world: StandInWorld
  let server: StandIn
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
    clock = virtualClock(t0)
    world = createWorld({
      now: t0,
      orgs: [{ id: 'O1', name: 'Lab' }],
      artifacts: [
        { name: 'Lab.Server.Trigger', type: 'SERVER_EVENT' },
        { name: 'Lab.Client.Trigger', type: 'CLIENT_EVENT' },
        { name: 'Lab.Server.Multi', type: 'SERVER_EVENT', sources: ['Alpha'] },
        { name: 'Lab.Client.Docs', type: 'CLIENT' },
        { name: 'Lab.Server.Upload', type: 'SERVER' },
      ],
      users: [
        { name: 'connector', roles: ['api'] },
        { name: 'admin', roles: ['administrator'] },
        { name: 'publisher', roles: ['administrator'], publish_queues: granted },
        // Of the recordings of another day.
        { name: 'labadmin@example.org', roles: ['administrator'], publish_queues: granted },
      ],
    })
    server = await startStandIn({ world, clock, port: 0, dir })
    for (const [role, user] of Object.entries(users)) calls.set(role, openCalls(server.apiConfigFor(user)))
    calls.set('labadmin', openCalls(server.apiConfigFor('labadmin@example.org')))
  })
  afterAll(async () => {
    for (const one of calls.values()) one.close()
    await server.close()
    rmSync(dir, { recursive: true })
  })
  const push = async (role: string, request: Partial<Recorded['request']>) => {
    const ended = await calls
      .get(role)
      ?.call('PushEvents', { ...request, jsonl: Buffer.from(request.jsonl ?? '{"N":1}') })
    if (ended === undefined) throw new Error(`nobody has the role ${role}`)
    return { code: ended.code, details: ended.details ?? '' }
  }
  /** The rows that a query gives from now on. */
  const listening = (vql: string, env: Readonly<Record<string, string>>) => {
    const rows: string[] = []
    const asked = standInVelociraptor(world, { clock, principal: 'admin' })
      .query({ org: 'root', vql, env })
      .subscribe((message) => message.kind === 'rows' && rows.push(...message.rows))
    clock.advanceTo(clock.now() + 2000)
    return {
      rows: () => {
        clock.advanceTo(clock.now() + 2000)
        return rows
      },
      end: () => asked.unsubscribe(),
    }
  }
  const history = ({ artifact, client_id }: Recorded['request']): readonly string[] => {
    const asked = listening('SELECT * FROM monitoring(client_id=C, artifact=A)', { C: client_id, A: artifact })
    asked.end()
    return asked.rows()
  }

  it.each(recorded.map((one) => [one.case, one] as const))(
    'takes or refuses as the recorded server did: %s',
    async (_, { role, request, code, details = '', live = [], stored = [] }) => {
      const watching = listening('SELECT * FROM watch_monitoring(artifact=A)', { A: request.artifact })
      const before = history(request).length
      const ended = await push(role, { write: true, ...request })
      expect(ended.code).toBe(code)
      if (!isAboutJson(details)) expect(ended.details).toBe(details)
      expect(watching.rows().map(withoutTime)).toEqual(live.map(withoutTime))
      expect(history(request).slice(before).map(withoutTime)).toEqual(stored.map(withoutTime))
      watching.end()
    },
  )

  it('ends as in the recordings of another day', async () => {
    const others = transcripts().filter(({ case: name }) => name === 'PushEvents')
    expect(others).toHaveLength(5)
    for (const { role, request, code = 0, details = '' } of others) {
      const ended = await push(role === 'api' ? 'api' : 'labadmin', request as Partial<Recorded['request']>)
      expect(ended).toEqual({ code, details })
    }
  })
})
