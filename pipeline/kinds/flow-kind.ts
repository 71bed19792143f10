import { huntOf } from '../../operators/flow-facts.ts'
import { encode, openSkimmer } from '../../schemas/codec.ts'
import type { Origin } from '../../schemas/generated.ts'
import { topics } from '../../schemas/topics.ts'
import { composeFlows } from '../mailing/compose-flows.ts'
import { readFlowCompletion } from '../sources/flow-completion-row.ts'
import { flowEventOf } from '../sources/flow-event.ts'
import { isFinal } from '../sources/looked-up.ts'
import type { EventKind } from './kind.ts'

const texts = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(', ')

/** What no monitor looks at, and no letter is written of without the event itself. */
const unjudged = [
  'org_name',
  'client.fqdn',
  'client.hostname',
  'client.system',
  'client.release',
  'client.machine',
  'flow.arguments',
  'flow.sources_with_results',
  'flow.queries.status',
  'hunt.description',
  'row',
]

const cameBy: Readonly<Record<Origin, string>> = {
  live: '',
  history: 'late: read back from what the server keeps',
  sweep: 'by a look through all flows: the server sent no event for it',
  repair: 'late: read back, because it was missing in the event stream',
}

/** Completed collections. */
export const flowKind: EventKind<'FlowEvent'> = {
  name: 'FlowEvent',
  raw: [topics.rawFlowCompletions],
  topic: topics.flowEvents,
  decide: 'decide',
  skim: openSkimmer('FlowEvent', unjudged),
  readRow(raw) {
    const row: unknown = JSON.parse(raw.row)
    const { client, flow } = readFlowCompletion(row)
    // Server collections are told by their row alone: no monitor speaks of them.
    const isServer = client === 'server'
    return {
      key: `${raw.org}/${client}`,
      about: { client, flow, hunt: huntOf(flow) ?? '', name: '' },
      asks: isServer ? null : { client, flow },
      verdictOf(found, isOver) {
        if (isServer) return 'complete'
        if (found.flow === null) return isOver ? { reason: 'flow not found' } : 'wait'
        if (found.client === null) return isOver ? { reason: 'client not found' } : 'wait'
        return isFinal(found.flow) || isOver ? 'complete' : 'wait'
      },
      complete: (found) => encode('FlowEvent', flowEventOf(raw, found, row)),
    }
  },
  about: ({ id, org, client, flow, hunt, received_at }) => ({
    event: id,
    org,
    client: client.id,
    flow: flow.id,
    hunt: hunt?.id ?? '',
    name: '',
    scope: '',
    received_at,
  }),
  inNotice: ({ flow }) => flow,
  compose: composeFlows,
  facts: ({ client, flow, hunt, completed_at, origin }) => [
    ['state', texts(flow.state, flow.status)],
    ['artifacts', flow.artifacts.join(', ')],
    ['started by', flow.creator],
    ['client', texts(client.fqdn, client.system)],
    ['labels', client.labels.join(', ')],
    ['hunt', hunt === null ? '' : texts(hunt.id, hunt.description)],
    ['rows', String(flow.total_rows)],
    ['uploads', String(flow.uploaded_files)],
    ['created', flow.created_at === null ? 'unknown' : new Date(flow.created_at).toISOString()],
    ['completed', new Date(completed_at).toISOString()],
    ['came', cameBy[origin]],
  ],
}
