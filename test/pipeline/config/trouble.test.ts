import { describe, expect, it } from 'vitest'
import { printProblem } from '../../../pipeline/config/problem.ts'
import { heartbeatTimes } from '../../../pipeline/config/heartbeat-times.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { readRules } from '../../../pipeline/config/read-rules.ts'
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
  it('are told as before by another set of rules, which has monitors only', () => {
    const { configuration } = read('heartbeat: { every: 1d, to: [ops@example.org] }')
    if (configuration === null) throw new Error('the configuration cannot be used')
    const rules =
      'monitors: [{ name: other, artifact: Server.Monitor.Alerts, parameters: { Recipients: [lead@example.org] } }]'
    const { monitors: judging } = readRules(rules, 'other.yaml', configuration)
    expect(judging?.map(({ name }) => name)).toEqual(['other', 'relay-heartbeat'])
  })

  it('are told after five minutes to nobody but monitors of alerts, and never, unless told otherwise', () => {
    expect(read('').configuration).toMatchObject({ trouble: { afterMs: 300_000, users: [] }, heartbeat: null })
    expect(monitors('')).toEqual([])
    expect(read('trouble: off').configuration?.trouble).toBeNull()
  })

  it('name who is told: letters go through a monitor of alerts', () => {
    const text = `trouble: { to: [lead@example.org], users: [admin], after: 1m }\nheartbeat: { every: 1d, to: [ops@example.org] }`
    expect(read(text)).toMatchObject({
      problems: [],
      configuration: { trouble: { afterMs: 60_000, users: ['admin'] }, heartbeat: { everyMs: 86_400_000 } },
    })
    expect(monitors(text)).toMatchObject([
      {
        name: 'relay-trouble',
        about: 'trouble',
        artifact: 'Server.Monitor.Alerts',
        parameters: { Recipients: [{ address: 'lead@example.org' }] },
      },
      {
        name: 'relay-heartbeat',
        about: 'heartbeat',
        artifact: 'Server.Monitor.Alerts',
        parameters: { Recipients: [{ address: 'ops@example.org' }] },
      },
    ])
  })

  it('comes at times as cron writes them, in a time zone', () => {
    const times = 'heartbeat: { cron: 30 8 * * 1-5, timezone: Europe/Berlin, to: [ops@example.org] }'
    const heartbeat = read(times).configuration?.heartbeat
    expect(heartbeat).toEqual({ cron: '30 8 * * 1-5', timezone: 'Europe/Berlin' })
    const next = heartbeatTimes(heartbeat ?? { everyMs: 1 })
    // Over the end of a week, and over the change to summer time.
    expect(new Date(next(Date.parse('2026-03-27T07:30:00Z'))).toISOString()).toBe('2026-03-30T06:30:00.000Z')
  })

  it.each([
    [
      'soc',
      'trouble: { to: [o@example.org] }',
      '5:1 trouble.channel: is missing: name one of the mail channels one, two',
    ],
    [
      'soc',
      'heartbeat: { every: 1d, to: [o@example.org], channel: tow }',
      '5:55 heartbeat.channel: there is no mail channel of this name: did you mean two?',
    ],
    [
      'relay-trouble',
      'trouble: { to: [o@example.org], channel: one }',
      '4:13 monitors[0].name: relay-trouble is what trouble: is told by: give this monitor another name',
    ],
  ])('beside a monitor %s and two channels, %s is refused at its place', (name, text, expected) => {
    const { configuration, problems } = readConfiguration(
      `velociraptor: { api_config: a, gui_url: https://velociraptor.example.org/ }
mail: { channels: { one: &mail { url: smtp://mail.example.org, from: relay@example.org }, two: *mail } }
monitors:
  - { name: ${name}, artifact: Server.Monitor.Alerts, parameters: { ServerSecret: one, Recipients: [soc@example.org] } }
${text}
`,
      surroundingsOf({}),
    )
    expect(configuration).toBeNull()
    expect(problems.map((problem) => printProblem(problem).replace(/^.*relay.yaml:/, ''))).toEqual([expected])
  })

  it.each([
    ['heartbeat: { cron: 0 8 * *, to: [o@example.org] }', '4:20 heartbeat.cron: must be minute, hour, day, month'],
    ['heartbeat: { cron: 0 0 31 2 *, to: [o@example.org] }', '4:20 heartbeat.cron: must be minute, hour, day, month'],
    [
      'heartbeat: { cron: 0 8 * * *, timezone: Mars, to: [o@example.org] }',
      '4:41 heartbeat.timezone: is no time zone: write one such as Europe/Berlin or UTC',
    ],
    [
      'heartbeat: { every: 1d, cron: 0 8 * * *, to: [o@example.org] }',
      '4:31 heartbeat.cron: stands beside `every:`: remove one of the two',
    ],
    ['heartbeat: { to: [o@example.org] }', 'heartbeat.every: is missing: such as 1d; or write cron: 0 8 * * 1-5'],
    [
      'heartbeat: { every: 1d, timezone: UTC, to: [o@example.org] }',
      '4:35 heartbeat.timezone: does nothing without cron: remove it',
    ],
  ])('%s is refused at its place', (text, expected) => {
    const { configuration, problems } = read(text)
    expect(configuration).toBeNull()
    expect(problems.map((problem) => printProblem(problem))[0]).toContain(expected)
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
