import type { EpochMs } from '../../schemas/time.ts'

/** What identifies a row of System.Flow.Completion. */
export interface FlowCompletionRow {
  readonly client: string
  readonly flow: string
  /** Epoch ms of the completion by the row; null when it has none. */
  readonly timestamp: EpochMs | null
  /** Epoch ms at which the server received it; null when the row does not say. */
  readonly receivedAt: EpochMs | null
}

const latestMs = Date.UTC(10_000, 0, 1) - 1
const longestId = 512

/** Rows carry seconds when live and milliseconds when read back. */
const fromTs = (ts: number): EpochMs => (ts > 20_000_000_000 ? Math.floor(ts) : Math.floor(ts) * 1000)

const isTime = (ms: number): boolean => Number.isFinite(ms) && ms >= 0 && ms <= latestMs

const idOf = (row: Record<string, unknown>, field: string): string => {
  const value = row[field]
  if (typeof value !== 'string' || value === '') throw new Error(`${field} is missing`)
  if (value.length > longestId) throw new Error(`${field} is longer than ${longestId} characters`)
  return value
}

const timeOf = (row: Record<string, unknown>, field: string, toMs: (value: number) => EpochMs): EpochMs | null => {
  const value = row[field]
  if (value === undefined || value === null) return null
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || !isTime(toMs(number)))
    throw new Error(`${field} is not a time between 1970 and 9999`)
  return toMs(number)
}

/** Reads a parsed row. Throws an Error whose text is the reason for a reject. */
export const readFlowCompletion = (row: unknown): FlowCompletionRow => {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new Error('the row is not an object')
  const fields = row as Record<string, unknown>
  return {
    client: idOf(fields, 'ClientId'),
    flow: idOf(fields, 'FlowId'),
    timestamp: timeOf(fields, 'Timestamp', (s) => Math.floor(s) * 1000),
    receivedAt: timeOf(fields, '_ts', fromTs),
  }
}

/** The natural key: what comes from the source twice has the same. */
export const flowCompletionId = (org: string, row: FlowCompletionRow, receivedAt: EpochMs): string =>
  `${org}/${row.client}/${row.flow}/${Math.floor((row.timestamp ?? receivedAt) / 1000)}`
