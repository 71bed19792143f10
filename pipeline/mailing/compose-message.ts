import type { OutgoingMail } from '../../connectors/mail/mail.ts'
import { exactJson, parseExact } from '../../connectors/velociraptor/exact-json.ts'
import type { AlertEvent, Notice } from '../../schemas/generated.ts'
import { isRecord } from '../config/is-record.ts'
import { elideRight, singleLine, visible } from '../letters/texts.ts'
import type { ComposeTerms } from './claim.ts'

/** Alerts in one message at most; the others are counted. */
const mostShown = 20
/** Characters of an alert's name, and of its own data, in a message of one, and of several. */
const longestAlone = 32_768
const longestShared = 2048

/** No text of a value may steer what shows it. */
const harmless = (value: unknown): unknown => {
  if (typeof value === 'string') return visible(value)
  if (Array.isArray(value)) return value.map(harmless)
  if (!isRecord(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [singleLine(key), harmless(part)]))
}

const dataOf = ({ event_data: text }: AlertEvent, longest: number): unknown => {
  if (text.length > longest) return visible(elideRight(text, longest))
  try {
    return harmless(parseExact(text))
  } catch {
    return visible(text)
  }
}

const timeOf = ({ alerted_at, received_at }: AlertEvent): string => new Date(alerted_at ?? received_at).toISOString()

/** The artifact's own body: what is empty is left out, the data never is. */
const bodyOf = (alert: AlertEvent, longest: number): Readonly<Record<string, unknown>> => {
  const fields = {
    AlertTime: timeOf(alert),
    // The server takes 4 MiB in one query, and one alert's name may be a tenth of that.
    Message: elideRight(singleLine(alert.name), longest),
    ClientId: singleLine(alert.client.id),
    FlowId: singleLine(alert.flow_id),
    ArtifactName: singleLine(alert.artifact),
    ArtifactType: singleLine(alert.artifact_type),
  }
  return {
    ...Object.fromEntries(Object.entries(fields).filter(([, text]) => text !== '')),
    Alert: dataOf(alert, longest),
  }
}

const bodyOfSeveral = (alerts: readonly AlertEvent[]): Readonly<Record<string, unknown>> => {
  const shown = alerts.slice(0, mostShown)
  const more = alerts.length - shown.length
  return {
    Message: `${alerts.length} alerts`,
    Alerts: shown.map((alert) => bodyOf(alert, longestShared)),
    ...(more === 0 ? {} : { More: more }),
  }
}

/** The in-app message of alerts to a group of users; the same alerts give the same message. */
export const composeMessage = (
  notices: readonly Notice[],
  { messageId, now, channel: { from } }: ComposeTerms,
): OutgoingMail => {
  const alerts = notices.flatMap(({ alert }) => alert ?? [])
  const [alert, ...more] = alerts
  const [notice] = notices
  if (alert === undefined || notice === undefined) throw new TypeError('a message of no alert')
  const body = more.length === 0 ? bodyOf(alert, longestAlone) : bodyOfSeveral(alerts)
  return {
    messageId,
    from,
    to: notice.recipient,
    subject: String(body['Message']),
    date: now,
    text: exactJson(body),
    html: null,
    headers: [],
    attachments: [],
  }
}
