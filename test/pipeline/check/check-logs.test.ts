import { expect, it } from 'vitest'
import { standInVelociraptor } from '../../../connectors/velociraptor/stand-in/in-process.ts'
import { createWorld } from '../../../connectors/velociraptor/stand-in/world.ts'
import { checkLogs, type LogsFinding } from '../../../pipeline/check/check-logs.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { monitorsOf, sourcesOf } from '../../../pipeline/monitors/monitors-of.ts'
import { isLogs } from '../../../pipeline/sources/readers.ts'
import { openStageWorld, start } from '../runtime/stage-world.ts'

const yaml = (monitors: string): string => `
velociraptor: { api_config: ./api.config.yaml, gui_url: 'https://velociraptor.example.org/app/index.html' }
mail: { url: 'smtp://mail.example.org', from: velociraptor@example.org }
monitors:
${monitors}
`
const around = { file: '/relay.yaml', env: {}, readFile: () => ({ text: '', readableByOthers: false }) }
const bothMonitors = `
  - { name: s, artifact: Server.Monitor.Errors.Alert }
  - { name: c, artifact: Server.Monitor.Client.Errors.Alert, parameters: { Period: 300 } }
  - { name: c2, artifact: Server.Monitor.Client.Errors.Alert, parameters: { Period: 120 } }
`

const check = async (revoked?: string): Promise<readonly (LogsFinding | string)[]> => {
  const world = openStageWorld()
  const server = createWorld({
    now: start,
    clients: [{ client_id: 'C.1' }, { client_id: 'C.2' }],
    artifacts: [{ name: 'X', type: 'SERVER_EVENT', sources: [{ name: 'A' }, { name: 'B' }] }],
    server_monitoring: { artifacts: ['X', 'Gone'] },
    client_monitoring: {
      artifacts: { artifacts: [] },
      label_events: [{ label: 'prod', artifacts: { artifacts: ['Y'] } }],
    },
  })
  if (revoked !== undefined) server.faults.revoke('root', revoked)
  const velociraptor = standInVelociraptor(server, { clock: world.clock })
  const { configuration } = readConfiguration(yaml(bothMonitors), around)
  if (configuration === null) throw new Error('the configuration has errors')
  const found: (LogsFinding | string)[] = []
  for (const source of sourcesOf(monitorsOf(configuration)).filter(isLogs)) {
    const asked = checkLogs(velociraptor, 'root', source).then(
      (finding) => found.push(finding),
      (cause: unknown) => found.push(String(cause)),
    )
    await world.pass(10_000)
    await asked
  }
  return found
}

it('what reading logs comes to is known beforehand, and what the server does not know is named', async () => {
  expect(await check()).toEqual([
    {
      text: 'client logs of 1 client event artifact(s) and sources are read each 120 s, in 3 queries that look at about 2 logs of 2 client(s) heard of lately',
      warnings: ['Y is in the table of client event artifacts, but the server does not know it'],
    },
    {
      text: 'server logs of 3 server event artifact(s) and sources are read each 60 s, in 3 queries',
      warnings: ['Gone is in the table of server event artifacts, but the server does not know it'],
    },
  ])
})

it('a permission that reading logs lacks is named', async () => {
  for (const said of await check('READ_RESULTS')) expect(said).toContain('READ_RESULTS')
})

it('monitors whose alerts nobody is told of are warned of, and not beside one that tells alerts', () => {
  const warnings = (monitors: string): readonly string[] =>
    readConfiguration(yaml(monitors), around).problems.map(({ level, message }) => `${level}: ${message}`)
  expect(warnings(bothMonitors)).toHaveLength(3)
  expect(warnings(bothMonitors)[0]).toMatch(/^warning: makes alerts of which nobody is told/)
  const soc = '  - { artifact: Server.Monitor.Alerts, parameters: { Recipients: [soc@example.org] } }\n'
  expect(warnings(bothMonitors + soc)).toEqual([])
  // What tells the relay's own trouble tells nothing else.
  expect(warnings(`${bothMonitors}trouble: { to: [ops@example.org] }`)).toHaveLength(3)
})

it('a monitor of a queue is warned of too where nobody is told of its alerts', () => {
  const messages = (more: string): readonly string[] =>
    readConfiguration(yaml(`  - { queue: Linux.Watch, alert: { name: seen }${more} }`), around).problems.map(
      ({ level, path, message }) => `${level} ${path}: ${message}`,
    )
  expect(messages('')).toEqual([
    expect.stringMatching(/^warning monitors\[0\]: makes alerts of which nobody is told/) as string,
  ])
  expect(messages(', parameters: { Recipients: [soc@example.org] }')).toEqual([])
  expect(messages(', parameters: { Recipients: [soc@example.org], NotifyExecutor: true }')).toEqual([
    'warning monitors[0].parameters.NotifyExecutor: does nothing here: nobody started a row of a queue',
  ])
})
