import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readApiConfig } from '../../connectors/velociraptor/api-config.ts'
import { type StandIn, startStandIn } from '../../connectors/velociraptor/stand-in/server.ts'
import { createWorld, type StandInWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import { conversationsWith, converse, type Shape, shapeOf, type Subject } from './conversations.ts'

/** Shapes of the relay's conversations with a Velociraptor server 0.77.2. */
const recorded = JSON.parse(readFileSync(new URL('conversations.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Shape>
>
const subject: Subject = {
  client: 'C.1111111111111111',
  flow: 'F.DC3B2NGKOFONG',
  hunt: 'H.DC329FKNT7CMA',
  since: Date.now() - 600_000,
}
const beatMs = 2000

let dir: string
let world: StandInWorld
let server: StandIn
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'relay-conversations-'))
  const { client: client_id, flow: session_id, hunt: hunt_id } = subject
  world = createWorld({
    now: Date.now(),
    clients: [{ client_id, last_seen_at: Date.now() * 1000, metadata: { Department: 'IT', Serial: '1' } }],
    // Of a completion the server leaves out what is nothing.
    flows: [
      {
        ...{ client_id, session_id, request: { creator: 'analyst1', artifacts: ['Linux.Sys.Users'] } },
        ...{ execution_duration: 32_556_000, query_stats: [{ status: 'OK' }], total_logs: 4, total_requests: 1 },
        ...{ artifacts_with_results: ['Linux.Sys.Users'], total_collected_rows: 26 },
      },
    ],
    server_monitoring: { artifacts: ['Server.Monitor.Health'], specs: [], max_upload_bytes: 1 },
    client_monitoring: {
      artifacts: { artifacts: ['Generic.Client.Stats'], specs: [], compiled_collector_args: [], max_upload_bytes: 1 },
      ...{ label_events: [], version: 1 },
    },
    hunts: [{ hunt_id, hunt_description: 'A hunt', creator: 'analyst1', artifacts: ['Linux.Sys.Users'] }],
  })
  world.emit('root', 'System.Flow.Completion', { ClientId: client_id, FlowId: session_id }, Date.now())
  server = await startStandIn({ world, clock: systemClock(), dir, port: 0 })
})
afterAll(async () => {
  await server.close()
  rmSync(dir, { recursive: true, force: true })
})

const bare = (path: string): string => path.replace(/!$/, '')

describe('a conversation with the stand-in server has the shape of one with the real server', () => {
  it.each(Object.entries(recorded))('%s', async (name, { steps, values }) => {
    const { config } = readApiConfig(server.apiConfig, { now: Date.now() })
    const request = (await conversationsWith(subject))[name]
    if (config === null || request === undefined) throw new Error(`${name} is not asked any more: record anew`)
    const talking = converse(config, request, 2.6 * beatMs)
    const emitting = setInterval(
      () =>
        world.emit('root', 'System.Flow.Completion', { ClientId: subject.client, FlowId: subject.flow }, Date.now()),
      500,
    )
    const shape = shapeOf(await talking)
    clearInterval(emitting)
    expect(shape.steps).toEqual(steps)
    const types = new Map(Object.entries(values).map(([path, found]) => [bare(path), new Set(found)]))
    const unlike = Object.entries(shape.values).flatMap(([path, found]) =>
      found.filter((type) => types.get(bare(path))?.has(type) !== true).map((type) => `${path} ${type}`),
    )
    expect(unlike, 'values that the real server has not').toEqual([])
    const own = new Set(Object.keys(shape.values).map(bare))
    const isHeld = (path: string): boolean => {
      const parent = path.slice(0, Math.max(0, path.lastIndexOf('.')))
      return parent === '' || parent.endsWith('[]') ? !parent.endsWith('[]') : own.has(parent)
    }
    const missing = Object.keys(values).filter(
      (path) => path.endsWith('!') && !own.has(bare(path)) && isHeld(bare(path)),
    )
    expect(missing, 'values that the real server always has').toEqual([])
  })
})
