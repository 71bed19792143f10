import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

const read = (text: string) =>
  readConfiguration(
    `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: { url: smtp://mail.example.org, from: relay@example.org }
monitors: [{ artifact: Server.Monitor.FlowCompletion, parameters: { Recipients: [soc@example.org] } }]
${text}
`,
    surroundingsOf({}),
  )
const monitors = (text: string) => read(text).configuration?.monitors.slice(1) ?? []

describe('trouble: and heartbeat:', () => {
  it('are told after five minutes to nobody but monitors of alerts, and never, unless told otherwise', () => {
    expect(read('').configuration).toMatchObject({ trouble: { afterMs: 300_000, users: [] }, heartbeatMs: null })
    expect(monitors('')).toEqual([])
    expect(read('trouble: off').configuration?.trouble).toBeNull()
  })

  it('name who is told: letters go through a monitor of alerts', () => {
    const text = `trouble: { to: [lead@example.org], users: [admin], after: 1m }\nheartbeat: { every: 1d, to: [ops@example.org] }`
    expect(read(text)).toMatchObject({
      problems: [],
      configuration: { trouble: { afterMs: 60_000, users: ['admin'] }, heartbeatMs: 86_400_000 },
    })
    expect(monitors(text)).toMatchObject([
      {
        name: 'relay-trouble',
        artifact: 'Server.Monitor.Alerts',
        parameters: { Recipients: [{ address: 'lead@example.org' }] },
      },
      {
        name: 'relay-heartbeat',
        artifact: 'Server.Monitor.Alerts',
        parameters: { Recipients: [{ address: 'ops@example.org' }] },
      },
    ])
  })

  it.each([
    ['trouble: { to: [lead] }', '4:17 trouble.to[0]: must be one mail address'],
    ['trouble: { too: [lead@example.org] }', '4:12 trouble.too: is not known here: did you mean to?'],
    [
      'heartbeat: { every: 1s, to: [ops@example.org] }',
      '4:21 heartbeat.every: must be a duration from 1m to 30d, such as 30s or 2h',
    ],
    ['heartbeat: { every: 1d }', '4:1 heartbeat.to: is missing'],
  ])('%s is refused', (text, expected) => {
    const { configuration, problems } = read(text)
    expect(configuration).toBeNull()
    expect(problems.map((problem) => printProblem(problem).replace(/^.*relay.yaml:/, ''))[0]).toBe(expected)
  })
})
