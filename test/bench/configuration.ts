import type { Configuration } from '../../pipeline/config/configuration.ts'
import { readConfiguration } from '../../pipeline/config/read-configuration.ts'

/** Five monitors by differing patterns: some tell of nearly nothing, one tells the creators; about 0.6 notices an event. */
const monitorsYaml = String.raw`
  - name: creators
    artifact: Server.Monitor.FlowCompletion
    parameters: { NotifyExecutor: true, DelayThreshold: 60, NotifyExecutorDomains: [{ UsernameRegex: '^analyst', Domain: example.org }] }
  - name: failures
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Recipients: [soc@example.org]
      ArtifactsToAlertOn: '^Windows\.(Forensics|System)\.'
      ErrorHandling: [IncludeHunts, IgnoreDelay]
      DelayThreshold: 100
  - name: important-clients
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Recipients: [vip@example.org]
      ClientLabelsToAlertOn: '^(vip|server)$'
      ClientLabelsToIgnore: '^branch-'
      ArtifactsToIgnore: '(Info|Users)$'
      DelayThreshold: 90
  - name: responders
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [ir@example.org], ArtifactPermToAlertOn: 'EXECVE|NETWORK', NotifyHunts: true, DelayThreshold: 100 }
  - name: triage
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [triage@example.org], ArtifactsToAlertOn: '^Custom\..*(Triage|Remediation)', NotifyIfResultsLabels: 'quarantined|lab' }
`

/** One monitor that tells of every flow. */
const tellAllYaml = `
  - name: all
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [soc@example.org], DelayThreshold: 0, ArtifactsToIgnore: '', NotifyHunts: true }
`

/** Monitors of alerts: by severity, by name with a window, and one that tells nothing. */
const alertMonitorsYaml = String.raw`
  - name: severe
    artifact: Server.Monitor.Alerts
    parameters: { Recipients: [soc@example.org], SeverityThreshold: [critical] }
    dedup: { window: 2h }
  - name: named
    artifact: Server.Monitor.Alerts
    parameters: { Recipients: [edr@example.org], AlertMsgInclude: 'Detection 1?7$', AlertMsgExclude: test }
    dedup: { window: 1h, by: [alert.name, alert.severity] }
  - name: quiet
    artifact: Server.Monitor.Alerts
    parameters: { Recipients: [vip@example.org], AlertMsgInclude: '^Login', SeverityThreshold: [high, critical] }
`

/** The errors of event artifacts of clients, by the default tables. */
const clientErrorsYaml = `
  - { name: errors, artifact: Server.Monitor.Client.Errors.Alert }
`

const monitorYamls = {
  five: monitorsYaml,
  'tell all': tellAllYaml,
  alerts: alertMonitorsYaml,
  'client errors': clientErrorsYaml,
} as const

export interface RelayYaml {
  readonly apiConfig: string
  readonly smtpPort: number
  readonly dir: string
  readonly orgs: readonly string[]
  readonly monitors: keyof typeof monitorYamls
  /** What stands under `log:`; left out: embedded in `dir`. */
  readonly log?: string
}

/** The text of a configuration file. */
export const relayYaml = ({
  apiConfig,
  smtpPort,
  dir,
  orgs,
  monitors,
  log = `{ embedded: { dir: ${dir} } }`,
}: RelayYaml): string => `
velociraptor:
  api_config: ${apiConfig}
  gui_url: https://velociraptor.example.org/app/index.html
  orgs: [${orgs.join(', ')}]
mail: { url: 'smtp://127.0.0.1:${smtpPort}', tls: off, from: velociraptor@example.org, allowed_domains: [example.org] }
log: ${log}
monitors:${monitorYamls[monitors]}`

const readMonitors = (monitors: RelayYaml['monitors']): Configuration => {
  const text = relayYaml({
    apiConfig: './api.config.yaml',
    smtpPort: 25,
    dir: './relay-data',
    orgs: ['root'],
    monitors,
  })
  const { configuration, problems } = readConfiguration(text, {
    file: '/relay.yaml',
    env: {},
    readFile: () => ({ text: '', readableByOthers: false }),
  })
  if (configuration === null) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join('\n'))
  return configuration
}

/** The five monitors, for a service inside this process. */
export const fiveMonitors = (): Configuration => readMonitors('five')

/** Monitors of alerts, for stages inside this process. */
export const alertMonitors = (): Configuration => readMonitors('alerts')

/** A monitor of what client event artifacts log. */
export const clientErrorsMonitor = (): Configuration => readMonitors('client errors')
