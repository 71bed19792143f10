import { of } from 'rxjs'
import { expect, it } from 'vitest'
import { standInVelociraptor } from '../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld } from '../../connectors/velociraptor/stand-in/world.ts'
import { collect } from '../../pipeline/collect.ts'
import { alerts, anyQueue, flowCompletions } from '../../pipeline/sources/queue-source.ts'
import { topics } from '../../schemas/topics.ts'
import { openStageWorld, start } from './runtime/stage-world.ts'

const minute = 60_000
const watched = 'Custom.Server.Watch'

it('a changed event table ends no stream: nothing that came to be is lost or repeated, and an alert raised anew is one more', async () => {
  const world = openStageWorld()
  const server = createWorld({ now: start, artifacts: [{ name: watched, type: 'SERVER_EVENT' }] })
  const velociraptor = standInVelociraptor(server, { clock: world.clock })
  const sources = of([alerts, flowCompletions, anyQueue(watched)])
  const running = world.run(collect({ ...world.common, velociraptor, orgs: ['root'], sources, since: null }))
  await world.settle()
  await world.pass(30_000)
  const raise = (name: string): void =>
    server.emit(
      'root',
      alerts.queue,
      { name, client_id: 'server', artifact_type: 'SERVER_MONITORING' },
      world.clock.now(),
    )
  const happen = (n: number): void => {
    server.emit('root', flowCompletions.queue, { ClientId: 'server', FlowId: `F.${n}` }, world.clock.now())
    server.emit('root', watched, { N: n }, world.clock.now())
  }
  raise('disk is full')
  happen(1)
  await world.pass(3000)
  server.faults.eventTableChanged({ untilMs: world.clock.now() + 10_000 })
  happen(2)
  await world.pass(12_000)
  raise('disk is full')
  happen(3)
  await world.pass(40 * minute)
  expect(running.failure()).toBeUndefined()
  const rows = async (topic: (typeof topics)[keyof typeof topics]): Promise<readonly Record<string, unknown>[]> =>
    (await world.values(topic, 'RawEvent')).map(({ row }) => JSON.parse(row) as Record<string, unknown>)
  expect((await rows(topics.rawAlerts)).map(({ name }) => name)).toEqual(['disk is full', 'disk is full'])
  expect((await rows(topics.rawFlowCompletions)).map(({ FlowId }) => FlowId)).toEqual(['F.1', 'F.2', 'F.3'])
  expect((await rows(topics.rawQueueEvents)).map(({ N }) => N)).toEqual([1, 3])
  expect(world.saidOf('source away')).toEqual([])
})
