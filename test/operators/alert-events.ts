import type { AlertEvent, ClientFacts, FlowFacts } from '../../schemas/generated.ts'
import { flowEvent } from './flow-events.ts'

/** When the baseline alert was raised. */
export const T = Date.UTC(2026, 3, 22, 16, 31, 23)

/** What differs from the baseline alert. */
export interface AlertDifference {
  readonly client?: Partial<ClientFacts>
  /** null: from no flow. */
  readonly flow?: Partial<FlowFacts> | null
  readonly event?: Partial<AlertEvent>
  /** What `event_data` holds. */
  readonly data?: unknown
}

/** An alert of a client's event artifact, with a difference. */
export const alertEvent = ({ client = {}, flow = null, event = {}, data = {} }: AlertDifference = {}): AlertEvent => {
  const base = flowEvent({ client, ...(flow === null ? {} : { flow }) })
  return {
    id: 'root/C.1111111111111111/Linux.Detection.Honeyfiles/1776875483.4/x',
    told_once_as: 'root/C.1111111111111111/Linux.Detection.Honeyfiles/1776875483.4/x',
    org: 'root',
    org_name: 'root',
    received_at: T,
    read_at: T,
    origin: 'live',
    name: 'Honey file accessed',
    alerted_at: T,
    reported_by: base.client.id,
    client: base.client,
    flow_id: flow === null ? '' : base.flow.id,
    flow: flow === null ? null : base.flow,
    hunt: null,
    artifact: 'Linux.Detection.Honeyfiles',
    artifact_type: 'CLIENT_EVENT',
    severity: '',
    event_data: JSON.stringify(data) ?? 'null',
    shortened: false,
    derived_from: null,
    ...event,
  }
}
