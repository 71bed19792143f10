import { existsSync, readFileSync } from 'node:fs'
import { configurationHash } from '../../../pipeline/config/hash.ts'
import type { Configuration } from '../../../pipeline/config/configuration.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import type { VerdictKind } from '../../../schemas/generated.ts'
import type { EmittedEvent, EmittedFlow } from './emission.ts'

/** What a seed changes by a reload. */
export interface RulesVersion {
  readonly chosen: 'Linux' | 'Windows'
  readonly most: number
}

export const versions: readonly [RulesVersion, RulesVersion] = [
  { chosen: 'Linux', most: 4 },
  { chosen: 'Windows', most: 3 },
]

/** Where a relay with these rules works. */
export interface RulesPlace {
  readonly apiConfig: string
  readonly smtp: string
  /** Further lines of each mail channel. */
  readonly channel: string
  /** What stands under `log:`. */
  readonly log: string
  /** A batch's quiet time and spacing of alerts, seconds. */
  readonly quietS: number
}

const windowMs = 600_000
const openConnections = 2
const limitedConnections = 1

/** Connections of each mail channel. */
export const channelConnections: readonly number[] = [openConnections, limitedConnections]

/** The text of the configuration: each monitor tells addresses of its own, so that a letter says whose it is. */
export const rulesYaml = (
  { chosen, most }: RulesVersion,
  { apiConfig, smtp, channel, log, quietS }: RulesPlace,
): string => String.raw`
velociraptor: { api_config: ${apiConfig}, gui_url: https://velociraptor.example.org/app/index.html }
mail:
  channels:
    Open: { url: '${smtp}', from: relay@example.org, connections: ${openConnections}, ${channel} }
    Limited:
      {
        url: '${smtp}',
        from: relay@example.org,
        connections: ${limitedConnections},
        limits: { channel: { rate: 60/m, burst: 20 }, recipient: { rate: 6/m, burst: 2 } },
        ${channel},
      }
log: ${log}
http: off
trouble: off
monitors:
  - name: plain
    artifact: Server.Monitor.FlowCompletion
    parameters: { Secret: Open, Recipients: [ann@a.example.org, bob@b.example.org], DelayThreshold: 0, HTML: false }
  - name: batches
    artifact: Server.Monitor.FlowCompletion
    parameters: { Secret: Open, Recipients: [team@a.example.org], DelayThreshold: 0, HTML: false }
    batch: { quiet: ${quietS}s, longest: ${quietS * 6}s, most: ${most} }
  - name: windows
    artifact: Server.Monitor.FlowCompletion
    parameters: { Secret: Open, Recipients: [watch@b.example.org], DelayThreshold: 0, HTML: false }
    dedup: { window: ${windowMs / 60_000}m, by: [client.id] }
  - name: chosen
    artifact: Server.Monitor.FlowCompletion
    parameters: { Secret: Limited, Recipients: [chosen@a.example.org], ArtifactsToAlertOn: '^${chosen}', DelayThreshold: 0, HTML: false }
    batch: { quiet: ${quietS}s, longest: ${quietS * 6}s, most: 10, first: now }
  - name: creators
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Secret: Limited
      NotifyExecutor: true
      NotifyExecutorDomains: [{ UsernameRegex: '^analyst', Domain: c.example.org }]
      DelayThreshold: 0
      HTML: false
  - name: alerts
    artifact: Server.Monitor.Alerts
    parameters: { ServerSecret: Limited, Recipients: [soc@b.example.org], HTML: false }
  - name: spaced
    artifact: Server.Monitor.Alerts
    parameters: { ServerSecret: Open, Recipients: [rare@b.example.org], HTML: false, SendInterval: ${quietS * 2} }
`

/** The configuration that a text says. */
export const configurationOf = (text: string): Configuration => {
  const { configuration, problems } = readConfiguration(text, {
    file: '/relay.yaml',
    env: {},
    readFile: (file) => ({ text: existsSync(file) ? readFileSync(file, 'utf8') : '', readableByOthers: false }),
  })
  if (configuration === null) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join('\n'))
  return configuration
}

/** What one monitor should say of one event. */
export interface Expected {
  readonly outcome: VerdictKind
  /** duplicate: the event that was told. */
  readonly of: string
  readonly recipients: readonly string[]
}

/** The monitors' verdicts on one event after the other of one partition, in its order; told anew for each partition. */
export type Judge = (event: EmittedEvent, configuration: string) => ReadonlyMap<string, Expected>

interface Window {
  readonly event: string
  readonly at: number
}

/** The rules told a second time, plainly: what the relay says is compared with it. */
export const openJudge = (configurations: ReadonlyMap<string, RulesVersion>): Judge => {
  const told = new Map<string, string>()
  const windows = new Map<string, Window>()
  const lateWindows = new Map<string, Window>()

  const once = (monitor: string, flow: EmittedFlow, recipients: readonly string[]): Expected => {
    const key = `${monitor} ${flow.client} ${flow.flow}`
    const before = told.get(key)
    if (before !== undefined) return { outcome: 'duplicate', of: before, recipients: [] }
    told.set(key, flow.id)
    return { outcome: 'told', of: '', recipients }
  }

  const windowed = (flow: EmittedFlow): Expected => {
    const before = told.get(`windows ${flow.client} ${flow.flow}`)
    if (before !== undefined) return { outcome: 'duplicate', of: before, recipients: [] }
    const at = flow.receivedAt
    // What is read back after an outage, from before the latest window, is compared with its like alone.
    const open = at < (windows.get(flow.client)?.at ?? 0) ? lateWindows : windows
    const window = open.get(flow.client)
    if (window !== undefined && at >= window.at && at < window.at + windowMs)
      return { outcome: 'duplicate', of: window.event, recipients: [] }
    open.set(flow.client, { event: flow.id, at })
    return once('windows', flow, ['watch@b.example.org'])
  }

  const ofFlow = (flow: EmittedFlow, { chosen }: RulesVersion): ReadonlyMap<string, Expected> =>
    new Map<string, Expected>([
      ['plain', once('plain', flow, ['ann@a.example.org', 'bob@b.example.org'])],
      ['batches', once('batches', flow, ['team@a.example.org'])],
      ['windows', windowed(flow)],
      [
        'chosen',
        flow.artifact.startsWith(chosen)
          ? once('chosen', flow, ['chosen@a.example.org'])
          : { outcome: 'objected', of: '', recipients: [] },
      ],
      [
        'creators',
        flow.creator.startsWith('analyst')
          ? once('creators', flow, [`${flow.creator}@c.example.org`])
          : { outcome: 'no_recipients', of: '', recipients: [] },
      ],
    ])

  const ofAlert = (): ReadonlyMap<string, Expected> =>
    new Map<string, Expected>([
      ['alerts', { outcome: 'told', of: '', recipients: ['soc@b.example.org'] }],
      ['spaced', { outcome: 'told', of: '', recipients: ['rare@b.example.org'] }],
    ])

  return (event, configuration) => {
    const version = configurations.get(configuration)
    if (version === undefined) return new Map()
    return event.kind === 'flow' ? ofFlow(event, version) : ofAlert()
  }
}

/** Which rules a hash stands for. */
export const rulesByHash = (place: RulesPlace): ReadonlyMap<string, RulesVersion> =>
  new Map(versions.map((version) => [configurationHash(configurationOf(rulesYaml(version, place))), version]))
