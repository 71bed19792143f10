import type { QueueEvent, RawEvent } from '../../schemas/generated.ts'
import { clientFacts, type LookedUp } from './looked-up.ts'

/** The event of a queue's row and what was looked up for it. */
export const queueEventOf = (
  raw: RawEvent,
  { orgName, client, metadata }: LookedUp,
  clientId: string,
  parsed: Readonly<Record<string, unknown>>,
): QueueEvent => ({
  id: raw.id,
  org: raw.org,
  org_name: orgName,
  received_at: raw.received_at,
  read_at: raw.read_at,
  origin: raw.origin,
  queue: raw.queue,
  client: clientFacts(clientId, clientId === 'server' ? null : client, metadata),
  row: raw.row,
  shortened: parsed['_Shortened'] === true,
})
