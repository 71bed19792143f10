import type { EpochMs } from '../../schemas/time.ts'
import { text } from './looked-up.ts'
import { isTime, receivedAtOf, rowFields } from './row-values.ts'
import { contentHash, substanceHash } from './substance.ts'

/** A row of Server.Internal.Alerts as its columns say; a column of another shape counts as missing. */
export interface AlertRow {
  /** Who raised it; `server` also where the row names nobody: only the server's own users write such rows. */
  readonly client: string
  /** Empty when it has none. */
  readonly name: string
  readonly flow: string
  readonly artifact: string
  readonly artifactType: string
  /** Epoch ms by the clock of whoever raised it; null when it says none. */
  readonly alertedAt: EpochMs | null
  /** The same to the nanosecond, in one spelling; empty when it says none, or none finer than a second. */
  readonly moment: string
  /** Epoch ms at which the server received it; null when the row does not say. */
  readonly receivedAt: EpochMs | null
}

const longestId = 512
const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/

const momentOf = (value: unknown): Pick<AlertRow, 'alertedAt' | 'moment'> => {
  const [, day = '', time = '', fraction = '', zone = ''] = typeof value === 'string' ? (rfc3339.exec(value) ?? []) : []
  const second = Date.parse(`${day}T${time}${zone.toUpperCase()}`)
  if (!isTime(second)) return { alertedAt: null, moment: '' }
  // Looked for only where zeros begin: there may be a hundred thousand.
  const digits = fraction.replace(/(?<!0)0+$/, '')
  return {
    alertedAt: second + Number(digits.padEnd(3, '0').slice(0, 3)),
    moment: digits === '' ? '' : `${second / 1000}.${digits}`,
  }
}

const idText = (value: unknown): string => (typeof value === 'string' ? value.slice(0, longestId) : '')

/** Partition key of alerts of a name, of which it holds the begin: whoever raises an alert may name it with megabytes, and a log takes no such key. */
export const alertKey = (org: string, name: string): string => `${org}/${name.slice(0, longestId)}`

/** Reads a parsed row. Throws an Error whose text is the reason for a reject. */
export const readAlert = (row: unknown): AlertRow => {
  const fields = rowFields(row)
  return {
    client: idText(fields['client_id']) || 'server',
    name: typeof fields['name'] === 'object' ? '' : text(fields['name']),
    flow: idText(fields['flow_id']),
    artifact: idText(fields['artifact']),
    artifactType: idText(fields['artifact_type']),
    ...momentOf(fields['timestamp']),
    receivedAt: receivedAtOf(fields),
  }
}

/**
 * The natural key: what comes from the source twice has the same. What an alert holds is part of it: the clocks of many endpoints stand still
 * for milliseconds, in which one query raises alerts of the same name. Of rows with a time of whole seconds, which were pushed from
 * outside, the second in which the server had them is too.
 */
export const alertId = (org: string, row: unknown, { client, flow, artifact, moment }: AlertRow): string => {
  const whose = encodeURIComponent((flow || artifact || '-').toWellFormed())
  const what = moment === '' ? substanceHash(row, '') : `${moment}/${contentHash(row).slice(0, 16)}`
  return `${org}/${client}/${whose}/${what}`
}
