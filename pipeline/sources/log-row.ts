import type { LogLine } from '../../operators/log-table.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { text } from './looked-up.ts'
import { isTime, receivedAtOf, rowFields } from './row-values.ts'
import { contentHash } from './substance.ts'

/** A line as the server stored it. */
export interface LogRow extends LogLine {
  /** Where it was logged; `server` for the server itself. */
  readonly client: string
  /** Epoch ms by the clock of whoever logged it; null when it says none. */
  readonly loggedAt: EpochMs | null
  /** Epoch ms at which the server stored it; the lines of one packet share it. */
  readonly storedAt: EpochMs
}

const longestId = 512
const goTime = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)? ([+-]\d\d)(\d\d)/

/** Server event artifacts write Go's text for a time, clients whole seconds. */
const loggedAtOf = (row: Readonly<Record<string, unknown>>): EpochMs | null => {
  const { Timestamp: written, client_time: seconds } = row
  if (typeof written === 'string') {
    const [, day, time, fraction = '', hours, minutes] = goTime.exec(written) ?? []
    const at = Date.parse(day === undefined ? written : `${day}T${time}${fraction.slice(0, 4)}${hours}:${minutes}`)
    return isTime(at) ? at : null
  }
  const ms = typeof seconds === 'number' ? Math.floor(seconds * 1000) : Number.NaN
  return isTime(ms) ? ms : null
}

const idText = (value: unknown): string => (typeof value === 'string' ? value.slice(0, longestId) : '')

/** Reads a parsed row of a server's or a client's log. Throws an Error whose text is the reason for a reject. */
export const readLogRow = (row: unknown): LogRow => {
  const fields = rowFields(row)
  const storedAt = receivedAtOf(fields)
  const client = idText(fields['_Client'])
  const artifact = idText(fields['_Queue'])
  if (storedAt === null) throw new Error('_ts is missing')
  if (client === '' || artifact === '') throw new Error('the line says not whose it is')
  return {
    client,
    artifact,
    level: text(fields['Level'] ?? fields['level']),
    message: text(fields['Message'] ?? fields['message']).replace(/\n$/, ''),
    loggedAt: loggedAtOf(fields),
    storedAt,
  }
}

/** What the same line is known by in each reading, and equal lines of one moment with it. */
export const logLineKey = (row: unknown, { client, artifact, storedAt }: LogRow): string =>
  [client, artifact, contentHash(row).slice(0, 22), storedAt].join('\n')

/** Which line it is among all: `copy` is its number among those that are equal, from 0. */
export const logRowId = (org: string, row: unknown, line: LogRow, copy: number): string =>
  [
    org,
    encodeURIComponent(line.client.toWellFormed()),
    encodeURIComponent(line.artifact.toWellFormed()),
    `${contentHash(row).slice(0, 22)}.${copy}`,
    line.storedAt,
  ].join('/')
