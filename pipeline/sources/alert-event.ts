import { isDictionary } from '../../connectors/velociraptor/exact-json.ts'
import { splitMembers } from '../../connectors/velociraptor/split-rows.ts'
import { huntOf } from '../../operators/flow-facts.ts'
import type { AlertEvent, RawEvent } from '../../schemas/generated.ts'
import { readAlert } from './alert-row.ts'
import { clientFacts, flowFacts, huntFacts, type LookedUp, text } from './looked-up.ts'

const longestId = 512

/** Whom and what an alert is about, as far as the row says. */
export interface AlertSubject {
  readonly client: string
  readonly flow: string
  readonly artifact: string
  readonly artifactType: string
}

/** An alert of the server may speak for another; an endpoint may not, or it would borrow that one's name and recipients. */
export const subjectOf = (own: AlertSubject, reportedBy: string, data: unknown): AlertSubject => {
  if (reportedBy !== 'server' || !isDictionary(data)) return own
  const named = (key: string, otherwise: string): string => {
    const value = data[key]
    return typeof value === 'string' && value !== '' && value.length <= longestId ? value : otherwise
  }
  return {
    client: named('ClientId', own.client),
    flow: named('FlowId', own.flow),
    artifact: named('Artifact', own.artifact),
    artifactType: named('ArtifactType', own.artifactType),
  }
}

/** The row's `event_data` as it stands in its text; `null` when it has none. */
const dataText = (row: string): string => splitMembers(row).findLast(([key]) => key === 'event_data')?.[1] ?? 'null'

const plainText = (value: unknown): string => (typeof value === 'object' ? '' : text(value))
const ownSeverity = (data: unknown): string =>
  isDictionary(data) ? plainText(data['severity']) || plainText(data['Severity']) : ''

/** The event of an alert's row and what was looked up for it. */
export const alertEventOf = (
  raw: RawEvent,
  lookups: LookedUp,
  parsed: Readonly<Record<string, unknown>>,
): AlertEvent => {
  const row = readAlert(parsed)
  const data = parsed['event_data']
  const subject = subjectOf(row, row.client, data)
  const hunt = huntOf(subject.flow)
  return {
    id: raw.id,
    told_once_as: raw.id,
    org: raw.org,
    org_name: lookups.orgName,
    received_at: raw.received_at,
    read_at: raw.read_at,
    origin: raw.origin,
    name: row.name,
    alerted_at: row.alertedAt,
    reported_by: row.client,
    client: clientFacts(subject.client, subject.client === 'server' ? null : lookups.client, lookups.metadata),
    flow_id: subject.flow,
    flow: lookups.flow === null ? null : flowFacts(subject.flow, lookups.flow, lookups.definitions),
    hunt: hunt === null ? null : huntFacts(hunt, lookups.hunt),
    artifact: subject.artifact,
    artifact_type: subject.artifactType,
    severity: ownSeverity(data),
    event_data: dataText(raw.row),
    shortened: parsed['_Shortened'] === true,
    derived_from: null,
  }
}
