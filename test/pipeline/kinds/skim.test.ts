import fc from 'fast-check'
import { expect, it } from 'vitest'
import { flowKind } from '../../../pipeline/kinds/flow-kind.ts'
import { alertKind } from '../../../pipeline/kinds/alert-kind.ts'
import { readConfiguration } from '../../../pipeline/config/read-configuration.ts'
import { monitorsOf } from '../../../pipeline/monitors/monitors-of.ts'
import type { EventKind, EventName } from '../../../pipeline/kinds/kind.ts'
import { type Monitor, monitorsFor } from '../../../pipeline/monitors/monitor.ts'
import { openJudge } from '../../../pipeline/judge.ts'
import { encode } from '../../../schemas/codec.ts'
import { definitions } from '../../../schemas/definitions.ts'
import type { Schemas } from '../../../schemas/generated.ts'
import { openMemory } from '../monitors/monitor-memory.ts'
import { type AvroSchema, valuesOf } from '../../schemas/arbitrary.ts'

/** Monitors in which every parameter that judges is set. */
const yaml = String.raw`
velociraptor: { api_config: ./api.config.yaml, gui_url: 'https://velociraptor.example.org/app/index.html' }
mail: { url: 'smtp://mail.example.org', from: velociraptor@example.org, allowed_domains: [example.org] }
monitors:
  - name: filters
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Recipients: [soc@example.org]
      NotifyExecutor: true
      NotifyExecutorDomains: [{ UsernameRegex: '.', Domain: example.org }]
      NotifyMetadataEMail: owner
      NotifyHunts: false
      DelayThreshold: 30
      ArtifactsToAlertOn: '[a-m]'
      ArtifactsToIgnore: '[n-z]'
      ClientLabelsToAlertOn: '[a-f]'
      ClientLabelsToIgnore: '[g-k]'
      ArtifactPermToAlertOn: '[A-Z]'
      ErrorHandling: [IncludeHunts, IgnoreDelay, IgnoreCancelled, IgnoreArtifactFilters]
  - name: overrides
    artifact: Server.Monitor.FlowCompletion
    parameters:
      Recipients: [soc@example.org]
      DelayThreshold: 99999
      NewClientArtifacts: '.'
      NewClientThreshold: 60
      NotifyIfResultsLabels: '[a-m]'
      NotifyIfUploadsLabels: '[n-z]'
    dedup: { window: 1h, by: [client.id, flow.artifacts, flow.creator, flow.state, hunt.id] }
  - name: alerts
    artifact: Server.Monitor.Alerts
    parameters:
      Recipients: [soc@example.org]
      NotifyExecutor: true
      NotifyExecutorDomains: [{ UsernameRegex: '.', Domain: example.org }]
      SeverityThreshold: [high, critical]
      AlertMsgInclude: '.'
      AlertMsgExclude: '[n-z]'
    dedup: { window: 1h, by: [alert.name, alert.severity, alert.artifact, client.id, flow.id, hunt.id] }
`

const read = readConfiguration(yaml, {
  file: '/relay.yaml',
  env: {},
  readFile: () => ({ text: '', readableByOthers: false }),
})
const known = new Map([...definitions] as [string, AvroSchema][])

const judgesAlike = <N extends EventName>(kind: EventKind<N>, monitors: readonly Monitor<N>[]): void => {
  expect(monitors.length).toBeGreaterThan(0)
  const judge = (event: Schemas[N]): unknown =>
    monitors.map((monitor) => {
      const { objections, overruledBy, repeatOf, recipients, warnings } = openJudge(monitor, openMemory())(event)
      return { objections, overruledBy, repeatOf, recipients, warnings }
    })
  fc.assert(
    fc.property(valuesOf(known.get(kind.name) as AvroSchema, known), (value) => {
      const event = value as Schemas[N]
      const skimmed = kind.skim(encode(kind.name, event))
      expect(judge(skimmed)).toEqual(judge(event))
      expect(kind.about(skimmed)).toEqual(kind.about(event))
      for (const monitor of monitors) expect(monitor.noticeOf?.(skimmed, event)).toEqual(monitor.noticeOf?.(event))
    }),
    { numRuns: 300 },
  )
}

it('a skimmed event is judged by every parameter as the whole one, is about the same, and makes the same notices', () => {
  expect(read.problems).toEqual([])
  if (read.configuration === null) return
  const monitors = monitorsOf(read.configuration)
  judgesAlike(flowKind, monitorsFor(monitors, 'FlowEvent'))
  judgesAlike(alertKind, monitorsFor(monitors, 'AlertEvent'))
})
