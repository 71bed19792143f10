import type { EpochMs } from '../../schemas/time.ts'

const latestMs = Date.UTC(10_000, 0, 1) - 1
const longestId = 512

/** Rows carry seconds when live and milliseconds when read back. */
const fromTs = (ts: number): EpochMs => (ts > 20_000_000_000 ? Math.floor(ts) : Math.floor(ts) * 1000)

/** Whether a number of ms is a time between 1970 and 9999. */
export const isTime = (ms: number): boolean => Number.isFinite(ms) && ms >= 0 && ms <= latestMs

/** The fields of a parsed row. Throws an Error whose text is the reason for a reject. */
export const rowFields = (row: unknown): Readonly<Record<string, unknown>> => {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new Error('the row is not an object')
  return row as Readonly<Record<string, unknown>>
}

/** An id that the row must have. Throws an Error whose text is the reason for a reject. */
export const idOf = (row: Readonly<Record<string, unknown>>, field: string): string => {
  const value = row[field]
  if (typeof value !== 'string' || value === '') throw new Error(`${field} is missing`)
  if (value.length > longestId) throw new Error(`${field} is longer than ${longestId} characters`)
  return value
}

/** A time of the row, epoch ms; null when it has none. Throws an Error whose text is the reason for a reject. */
export const timeOf = (
  row: Readonly<Record<string, unknown>>,
  field: string,
  toMs: (value: number) => EpochMs,
): EpochMs | null => {
  const value = row[field]
  if (value === undefined || value === null) return null
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof number !== 'number' || !isTime(toMs(number)))
    throw new Error(`${field} is not a time between 1970 and 9999`)
  return toMs(number)
}

/** Epoch ms at which the server received the row; null when it does not say. Throws an Error whose text is the reason for a reject. */
export const receivedAtOf = (row: Readonly<Record<string, unknown>>): EpochMs | null => timeOf(row, '_ts', fromTs)
