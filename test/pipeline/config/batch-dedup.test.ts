import { describe, expect, it } from 'vitest'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import type { MonitorSettings } from '../../../pipeline/config/configuration.ts'
import { surroundingsOf } from './surroundings-of.ts'

/** What comes of one monitor with this added to it, and what was said of it. */
const readMonitor = (
  more: string,
): { readonly monitor: MonitorSettings | undefined; readonly said: readonly string[] } => {
  const text = `
velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://mail.example.org, from: velociraptor@example.org }
monitors:
  - artifact: Server.Monitor.FlowCompletion
    ${more.includes('parameters') ? more : `parameters: { Recipients: [soc@example.org] }\n    ${more}`}
`
  const { configuration, problems } = readConfiguration(text, surroundingsOf())
  return { monitor: configuration?.monitors[0], said: problems.map(({ message }) => message) }
}
const ruleOf = (more: string): unknown => readMonitor(more).monitor?.batch
const said = (more: string): string => readMonitor(more).said.join('\n')

describe('batch', () => {
  it('left out: every event is a letter of its own', () => {
    expect(ruleOf('')).toEqual({ quietMs: 0, longestMs: 0, most: 1, firstAtOnce: false, spacingMs: 0 })
  })

  it('has defaults', () => {
    expect(ruleOf('batch: {}')).toEqual({
      quietMs: 30_000,
      longestMs: 600_000,
      most: 50,
      firstAtOnce: false,
      spacingMs: 0,
    })
  })

  it('is read as written', () => {
    expect(ruleOf('batch: { quiet: 1.5s, longest: 2h, most: 500, first: now }')).toMatchObject({
      quietMs: 1500,
      longestMs: 7_200_000,
      most: 500,
      firstAtOnce: true,
    })
  })

  it.each([
    ['SendInterval: 10', 10_000, 500],
    ['SendInterval: 0', 60_000, 500],
    ['SendInterval: -1', 0, 1],
    ['SendInterval: "-1"', 0, 1],
  ])('%s spaces letters by %i ms', (parameter, spacingMs, most) => {
    expect(ruleOf(`parameters: { Recipients: [soc@example.org], ${parameter} }`)).toMatchObject({
      spacingMs,
      most,
      quietMs: 0,
    })
  })

  it('and SendInterval hold together', () => {
    expect(
      ruleOf('parameters: { Recipients: [soc@example.org], SendInterval: 60 }\n    batch: { most: 7 }'),
    ).toMatchObject({
      spacingMs: 60_000,
      most: 7,
      quietMs: 30_000,
    })
  })

  it.each([
    ['batch: { quiet: 0s }', /from 1s to 1d/],
    ['batch: { quiet: 2d }', /from 1s to 1d/],
    ['batch: { quiet: soon }', /must be a duration/],
    ['batch: { quiet: 30 }', /must be a duration from 1s to 1d/],
    ['batch: { longest: 8d }', /from 1s to 7d/],
    ['batch: { most: 0 }', /1/],
    ['batch: { most: 501 }', /500/],
    ['batch: { first: later }', /now/],
    ['batch: { quite: 1s }', /^is not known here: did you mean quiet\?$/],
    ['batch: now', /mapping|object/],
  ])('refuses %s', (more, why) => expect(said(more)).toMatch(why))
})

describe('the quiet time of a batch', () => {
  it.each([
    ['batch: { quiet: 20m }', /a letter goes out once it is 10m old/],
    ['batch: { quiet: 1m, longest: 50s }', /a letter goes out once it is 50s old/],
  ])('%s is said to do nothing, as the longest is over before', (more, why) => {
    expect(said(more)).toMatch(why)
    expect(readMonitor(more).monitor).toBeDefined()
  })

  it('may be as long as the longest', () => expect(said('batch: { quiet: 10m }')).toBe(''))
})

describe('dedup', () => {
  it('left out: every event is judged by itself', () => {
    expect(readMonitor('').monitor?.dedup).toBeNull()
  })

  it('is by client and artifacts unless it says otherwise', () => {
    expect(readMonitor('dedup: { window: 2h }').monitor?.dedup).toEqual({
      windowMs: 7_200_000,
      window: '2h',
      by: ['client.id', 'flow.artifacts'],
    })
    expect(readMonitor('dedup: { window: 1d, by: [flow.state, client.id] }').monitor?.dedup?.by).toEqual([
      'flow.state',
      'client.id',
    ])
  })

  it.each([
    ['dedup: { window: 2h, by: [flow.artifacts] }', /must contain client\.id/],
    ['dedup: { window: 31d }', /from 1s to 30d/],
    ['dedup: {}', /^is missing$/],
    ['dedup: { window: 2h, by: [] }', /./],
    ['dedup: { window: 2h, by: [client.name] }', /client\.id/],
  ])('refuses %s', (more, why) => expect(said(more)).toMatch(why))
})

describe('DedupInterval', () => {
  const intervalOf = (seconds: number) => {
    const { configuration, problems } = readConfiguration(
      `velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://mail.example.org, from: velociraptor@example.org }
monitors:
  - { artifact: Server.Monitor.Alerts, parameters: { Recipients: [soc@example.org] } }
  - { artifact: Server.Monitor.Errors.Alert, parameters: { DedupInterval: ${seconds} } }
`,
      surroundingsOf(),
    )
    return { parameters: configuration?.monitors[1]?.parameters, said: problems.map(({ message }) => message) }
  }

  it('is 30 days at most, for as long as is remembered what was told', () => {
    const most = { dedupMs: 2_592_000_000 }
    expect(intervalOf(2_592_000)).toMatchObject({ parameters: most, said: [] })
    expect(intervalOf(31_536_000)).toMatchObject({
      parameters: most,
      said: ['is taken as 2592000, the most there can be'],
    })
  })
})
