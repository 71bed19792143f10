import { huntOf } from '../../operators/flow-facts.ts'
import { encode, openSkimmer } from '../../schemas/codec.ts'
import type { AlertEvent } from '../../schemas/generated.ts'
import { ownKindOf } from '../../schemas/own-alerts.ts'
import { topics } from '../../schemas/topics.ts'
import { composeAlerts } from '../mailing/compose-alerts.ts'
import { alertEventOf, subjectOf } from '../sources/alert-event.ts'
import { alertKey, readAlert } from '../sources/alert-row.ts'
import type { EventKind } from './kind.ts'

const texts = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(', ')

/** Alerts of one scope concern the same monitors. */
const scopeOf = (event: AlertEvent): string => {
  const own = ownKindOf(event)
  return own === null ? (event.derived_from?.monitor ?? '') : `relay/${own}`
}

/** Alerts. */
export const alertKind: EventKind<'AlertEvent'> = {
  name: 'AlertEvent',
  raw: [topics.rawAlerts],
  topic: topics.alertEvents,
  decide: 'decide.alerts',
  skim: openSkimmer('AlertEvent', ['org_name', 'artifact_type']),
  readRow(raw) {
    const row = JSON.parse(raw.row) as Readonly<Record<string, unknown>>
    const { name, client: reportedBy, ...own } = readAlert(row)
    const { client, flow } = subjectOf({ ...own, client: reportedBy }, reportedBy, row['event_data'])
    const isOfServer = client === 'server' && flow === ''
    return {
      key: alertKey(raw.org, name),
      about: { client, flow, hunt: huntOf(flow) ?? '', name },
      asks: isOfServer ? null : { client, flow },
      // It is told with what there is: a client may raise one before the server knows more of it than its id.
      verdictOf: () => (name.trim() === '' ? { reason: 'the alert has no name' } : 'complete'),
      complete: (found) => encode('AlertEvent', alertEventOf(raw, found, row)),
    }
  },
  about: (event) => ({
    event: event.id,
    org: event.org,
    client: event.client.id,
    flow: event.flow_id,
    hunt: event.hunt?.id ?? '',
    name: event.name,
    scope: scopeOf(event),
    received_at: event.received_at,
  }),
  inNotice: ({ alert }) => alert,
  compose: composeAlerts,
  facts: ({ name, severity, client, reported_by, artifact, flow_id, hunt, alerted_at, derived_from }) => [
    ['alert', name],
    ['severity', severity],
    ['client', texts(client.id, client.hostname, client.system)],
    ['raised by', reported_by],
    ['artifact', artifact],
    ['flow', flow_id],
    ['hunt', hunt === null ? '' : texts(hunt.id, hunt.description)],
    ['labels', client.labels.join(', ')],
    ['raised', alerted_at === null ? 'unknown' : new Date(alerted_at).toISOString()],
    ['made by', derived_from === null ? '' : `monitor ${derived_from.monitor} of ${derived_from.event}`],
  ],
}
