import { huntOf } from '../../operators/flow-facts.ts'
import type { FlowEvent, RawEvent } from '../../schemas/generated.ts'
import { readFlowCompletion } from './flow-completion-row.ts'
import { clientFacts, definitionFacts, dictionary, flowFacts, huntFacts, type LookedUp, text } from './looked-up.ts'

/** The event of a completion row and what was looked up for it. Without a flow record the row's own partial one is used. */
export const flowEventOf = (raw: RawEvent, lookups: LookedUp, parsed: unknown = JSON.parse(raw.row)): FlowEvent => {
  const row = readFlowCompletion(parsed)
  const record = lookups.flow ?? dictionary(dictionary(parsed)['Flow'])
  const flow = flowFacts(row.flow, record, lookups.definitions)
  const hunt = huntOf(row.flow)
  return {
    id: raw.id,
    told_once_as: `${raw.org}/${row.client}/${row.flow}/${text(record['create_time'])}`,
    org: raw.org,
    org_name: lookups.orgName,
    received_at: raw.received_at,
    read_at: raw.read_at,
    origin: raw.origin,
    completed_at: row.timestamp ?? raw.received_at,
    client: clientFacts(row.client, lookups.client, lookups.metadata),
    flow,
    hunt: hunt === null ? null : huntFacts(hunt, lookups.hunt),
    definitions: flow.artifacts.map((name) => definitionFacts(name, lookups.definitions.get(name))),
    row: raw.row,
  }
}
