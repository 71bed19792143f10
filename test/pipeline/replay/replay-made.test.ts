import { describe, expect, it } from 'vitest'
import { sumsText } from '../../../pipeline/cli/replay-text.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { decide } from '../../../pipeline/decide.ts'
import { kindOfTopic } from '../../../pipeline/kinds/kinds.ts'
import type { Monitors } from '../../../pipeline/monitors/monitor.ts'
import { monitorsOf } from '../../../pipeline/monitors/monitors-of.ts'
import { encode } from '../../../schemas/codec.ts'
import type { LogEvent } from '../../../schemas/generated.ts'
import { topics } from '../../../schemas/topics.ts'
import { alertEvent } from '../../operators/alert-events.ts'
import { surroundingsOf } from '../config/surroundings-of.ts'
import { openStageWorld, start } from '../runtime/stage-world.ts'
import { replayed } from './replays.ts'

const minute = 60_000

const monitorsBy = (parameters: string): Monitors => {
  const { configuration, problems } = readConfiguration(
    `velociraptor: { api_config: x.yaml, gui_url: 'https://velociraptor.example.org' }
mail: { url: 'smtp://mail.example.org', from: relay@example.org }
monitors: [{ name: errors, artifact: Server.Monitor.Errors.Alert, parameters: ${parameters} }]
`,
    surroundingsOf(),
  )
  if (configuration === null) throw new Error(problems.map(({ message }) => message).join())
  return monitorsOf(configuration)
}

const { client } = alertEvent({ client: { id: 'server' } })
const line = (n: number, level: string): LogEvent => ({
  id: `root/server/X/${n}`,
  org: 'root',
  org_name: '',
  received_at: start + n * minute,
  read_at: start + n * minute,
  origin: 'live',
  artifact: 'X',
  client,
  logged_at: start + n * minute,
  level,
  message: 'boom',
  shortened: false,
})

describe('a replay of what alerts are made of', () => {
  it('counts the alerts that would be made and those that were, and says where to look whom they are told', async () => {
    const world = openStageWorld()
    await world.pass(300 * minute)
    const present = { monitors: monitorsBy('{}'), configuration: 'c1' }
    const running = world.run(decide({ ...world.common, monitors: () => present }))
    await world.log.append(
      [line(0, 'ERROR'), line(1, 'ERROR'), line(2, 'WARN'), line(70, 'ERROR')].map((event) => ({
        topic: topics.logEvents.name,
        key: 'root/X',
        value: encode('LogEvent', event),
      })),
    )
    await world.settle()
    running.stop()
    const kind = kindOfTopic(topics.logEvents.name) ?? undefined
    if (kind === undefined) throw new Error('logs are no events')
    const replayOf = (parameters: string) =>
      replayed({ ...world.common, kind, rules: { monitors: monitorsBy(parameters), configuration: 'c2' } })
    const same = await replayOf('{}')
    expect([same.counts, same.pairs]).toEqual([
      { events: 4, before: 0, foreign: 0, unrecorded: 0, made: 2, wereMade: 2 },
      [],
    ])
    const wider = await replayOf("{ DedupInterval: -1, IncludeFilter: [{ Artifact: .+, Level: '', Message: '' }] }")
    expect(wider.counts).toMatchObject({ made: 4, wereMade: 2 })
    expect(sumsText(wider)).toContain(
      '4 alert(s) would be made of them, 2 were: whom alerts are told, --topic events.alerts says.',
    )
    expect(await replayOf("{ ExcludeFilter: [{ Artifact: X, Level: '', Message: '' }] }")).toMatchObject({
      counts: { made: 0, wereMade: 2 },
    })
  })
})
