import type { EpochMs } from '../../schemas/time.ts'
import { receivedAtOf, rowFields } from './row-values.ts'

/** A row of any event queue, as far as every queue is alike. */
export interface QueueRow {
  /** Whose row it is; `server` where it names no client: only the server writes such rows. */
  readonly client: string
  /** Epoch ms at which the server received it; null when the row does not say. */
  readonly receivedAt: EpochMs | null
}

const longestId = 512
const longestSubstance = 22

/** Reads a parsed row. Throws an Error whose text is the reason for a reject. */
export const readQueueRow = (row: unknown): QueueRow => {
  const fields = rowFields(row)
  const client = fields['ClientId']
  return {
    client: typeof client === 'string' && client !== '' ? client.slice(0, longestId) : 'server',
    receivedAt: receivedAtOf(fields),
  }
}

/** Which row it is among all of its queue: what it holds, which of equal ones of its second, and that second. */
export interface QueueRowIdentity {
  readonly client: string
  readonly queue: string
  readonly substance: string
  readonly copy: number
  readonly receivedAt: EpochMs
}

/** No queue of these has a natural key, so a row is known by everything that it holds. */
export const queueRowId = (org: string, { client, queue, substance, copy, receivedAt }: QueueRowIdentity): string =>
  [
    org,
    encodeURIComponent(client.toWellFormed()),
    encodeURIComponent(queue),
    `${substance.slice(0, longestSubstance)}.${copy}`,
    Math.floor(receivedAt / 1000),
  ].join('/')
