import { from } from 'rxjs'
import type { FlowCompletionSettings } from '../../../pipeline/config/configuration.ts'
import type { FlowMonitor } from '../../../pipeline/monitors/monitor.ts'
import { flowCompletionMonitor } from '../../../pipeline/monitors/flow-completion.ts'
import { readFlowCompletionParameters } from '../../../pipeline/monitors/flow-completion-parameters.ts'
import { alone } from '../../../operators/batch.ts'
import { type Judgement, judgementOf } from '../../../operators/judgement.ts'
import type { FlowEvent } from '../../../schemas/generated.ts'
import { openMemory } from './monitor-memory.ts'

/** A monitor by parameters as relay.yaml has them, and what was said of them. */
export const monitorWith = (
  parameters: Readonly<Record<string, unknown>>,
  {
    name = 'flows',
    allowedDomains = null as readonly string[] | null,
    dedup = null as FlowCompletionSettings['dedup'],
  } = {},
): FlowMonitor & { readonly said: readonly string[] } => {
  const said: string[] = []
  const read = readFlowCompletionParameters({ Recipients: ['soc@example.org'], ...parameters }, [], {
    report: (_, message) => said.push(message),
    writtenAt: () => undefined,
  })
  if (read === null) throw new Error(said.join('\n'))
  const settings = {
    name,
    artifact: 'Server.Monitor.FlowCompletion',
    channel: 'default',
    parameters: read,
    dedup,
    batch: alone,
  } as const
  return { ...flowCompletionMonitor(settings, allowedDomains), said }
}

/** The judgements of a monitor on events, in order. */
export const judged = (
  monitor: FlowMonitor,
  events: readonly FlowEvent[],
  memory = openMemory(),
): readonly Judgement<FlowEvent>[] => {
  const judgements: Judgement<FlowEvent>[] = []
  from(events.map((event) => judgementOf(event)))
    .pipe(monitor.chain(memory))
    .subscribe((judgement) => judgements.push(judgement))
  return judgements
}
