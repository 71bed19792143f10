import { hash } from 'node:crypto'
import { isDictionary, parseExact } from '../../connectors/velociraptor/exact-json.ts'
import type { AlertEvent, QueueEvent } from '../../schemas/generated.ts'

/** What a monitor says of the alert that it makes. */
export interface Raised {
  readonly monitor: string
  readonly name: string
  readonly severity: string
  /** The artifact whose event it is, its source included. */
  readonly artifact: string
  /** `event_data`: keys and JSON texts; of equal keys the last holds, in the place of the first. */
  readonly data: readonly (readonly [key: string, json: string])[]
}

type Origin = Pick<
  QueueEvent,
  'id' | 'org' | 'org_name' | 'received_at' | 'read_at' | 'origin' | 'client' | 'shortened'
>

/** An alert that a monitor makes of an event: it bears that event's client and times, and its id follows from both. */
export const raisedAlert = (of: Origin, { monitor, name, severity, artifact, data }: Raised): AlertEvent => {
  const { org, org_name, received_at, read_at, origin, client, shortened } = of
  const id = `${org}/${client.id}/${monitor}/${hash('sha256', of.id, 'base64url').slice(0, 22)}/${received_at}`
  const members = [...new Map(data)].map(([key, json]) => `${JSON.stringify(key)}:${json}`)
  return {
    id,
    told_once_as: id,
    org,
    org_name,
    received_at,
    read_at,
    origin,
    name,
    alerted_at: received_at,
    reported_by: client.id,
    client,
    flow_id: '',
    flow: null,
    hunt: null,
    artifact,
    artifact_type: client.id === 'server' ? 'SERVER_MONITORING' : 'CLIENT_EVENT',
    severity,
    event_data: `{${members.join(',')}}`,
    shortened,
    derived_from: { monitor, event: of.id },
  }
}

/** A row's JSON text as a value; an empty one for what is no object. */
export const rowOf = (json: string): Readonly<Record<string, unknown>> => {
  const row = parseExact(json)
  return isDictionary(row) ? row : {}
}
