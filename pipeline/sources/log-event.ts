import type { LogEvent, RawEvent } from '../../schemas/generated.ts'
import type { LogRow } from './log-row.ts'
import { clientFacts, type LookedUp } from './looked-up.ts'

/** The event of a log's line and what was looked up for it. */
export const logEventOf = (
  raw: RawEvent,
  { orgName, client, metadata }: LookedUp,
  line: LogRow,
  parsed: Readonly<Record<string, unknown>>,
): LogEvent => ({
  id: raw.id,
  org: raw.org,
  org_name: orgName,
  received_at: raw.received_at,
  read_at: raw.read_at,
  origin: raw.origin,
  artifact: line.artifact,
  client: clientFacts(line.client, line.client === 'server' ? null : client, metadata),
  level: line.level,
  message: line.message.toWellFormed(),
  logged_at: line.loggedAt,
  shortened: parsed['_Shortened'] === true,
})
