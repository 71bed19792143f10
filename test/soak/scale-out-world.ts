import type { EventLog } from '../../connectors/log/event-log.ts'
import { openKafkaLog } from '../../connectors/log/kafka-log.ts'
import type { KafkaTimings } from '../../connectors/log/kafka/connection.ts'
import type { Configuration } from '../../pipeline/config/configuration.ts'
import { readConfiguration } from '../../pipeline/config/read-configuration.ts'
import { systemClock } from '../../pipeline/runtime/system-clock.ts'
import type { Tell } from '../../schemas/happenings.ts'
import { allTopics } from '../../schemas/topics.ts'
import { type FlowWorld, makeFlowWorld } from '../bench/flow-world.ts'

/** Everything that a process must know to take part in a run. */
export interface Place {
  readonly brokers: readonly string[]
  readonly prefix: string
  readonly partitions: number
  readonly stateDir: string
  readonly smtpPort: number
  /** The flows are made from these in every process, and are the same. */
  readonly seed: number
  readonly begin: number
  readonly events: number
  readonly timings?: Partial<KafkaTimings>
}

/** Letters that a process sends at once. */
export const connections = 5

/** Windows, batches and plain letters; the patterns and overrides of several monitors. */
const relayYaml = String.raw`
velociraptor: { api_config: ./api.config.yaml, gui_url: https://velociraptor.example.org/app/index.html }
mail: { url: smtp://127.0.0.1:25, from: velociraptor@example.org, allowed_domains: [example.org] }
monitors:
  - name: creators
    artifact: Server.Monitor.FlowCompletion
    parameters: { NotifyExecutor: true, DelayThreshold: 60, NotifyExecutorDomains: [{ UsernameRegex: '^analyst', Domain: example.org }] }
    batch: { quiet: 1s, longest: 5s, most: 20 }
  - name: failures
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Recipients: [soc@example.org, lead@example.org]
      ArtifactsToAlertOn: '^Windows\.(Forensics|System)\.'
      ErrorHandling: [IncludeHunts, IgnoreDelay]
      DelayThreshold: 100
    dedup: { window: 5m }
    batch: { quiet: 1s, longest: 5s, most: 10 }
  - name: responders
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [ir@example.org], ArtifactPermToAlertOn: 'EXECVE|NETWORK', NotifyHunts: true, DelayThreshold: 100 }
    dedup: { window: 1m, by: [client.id] }
    batch: { quiet: 2s, longest: 10s, most: 50, first: now }
  - name: triage
    artifact: Server.Monitor.FlowCompletion
    parameters: { Recipients: [triage@example.org], ArtifactsToAlertOn: '^Custom\..*Triage', NotifyIfResultsLabels: 'quarantined|lab' }
`

/** The monitors of every run. */
export const scaleOutConfiguration = (): Configuration => {
  const { configuration, problems } = readConfiguration(relayYaml, {
    file: '/relay.yaml',
    env: {},
    readFile: () => ({ text: '', readableByOthers: false }),
  })
  if (configuration === null) throw new Error(problems.map(({ line, message }) => `${line}: ${message}`).join('\n'))
  return configuration
}

export const openPlace = (
  { brokers, prefix, partitions, stateDir, timings }: Place,
  clientId: string,
  tell: Tell,
): Promise<EventLog> =>
  openKafkaLog({
    brokers,
    prefix,
    partitions,
    stateDir,
    clientId,
    tell,
    topics: allTopics,
    clock: systemClock(),
    ...(timings === undefined ? {} : { timings }),
  })

export const flowsOf = ({ events, seed, begin }: Pick<Place, 'events' | 'seed' | 'begin'>): FlowWorld =>
  makeFlowWorld(events, { seed, begin })
