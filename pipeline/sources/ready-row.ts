import { isDeeperThan } from '../../connectors/velociraptor/exact-json.ts'
import type { NewRecord } from '../../connectors/log/event-log.ts'
import { encode } from '../../schemas/codec.ts'
import type { Origin } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { mostRowBytes } from '../runtime/record-sizes.ts'
import { rejection } from '../runtime/rejection.ts'
import type { Identified, QueueSource } from './queue-source.ts'
import { substanceHash } from './substance.ts'
import type { RowArrival } from './subscription.ts'

/** A row that waits for the log as what it becomes there, so that neither its text nor its parts are held. */
export interface ReadyRow {
  readonly kind: 'row'
  readonly org: string
  readonly source: QueueSource
  readonly origin: Origin
  readonly identified: Identified
  /** It has no identity of its own: it is known by all that it holds, and set aside. */
  readonly isUnreadable: boolean
  /** The stream lived while the row should have come by it. */
  readonly isRepair: boolean
  /** What it becomes if it is new. */
  readonly records: readonly NewRecord[]
}

interface Reading extends Pick<ReadyRow, 'org' | 'isRepair'> {
  readonly readAt: EpochMs
}

/** Reads a row. A row that cannot be identified is ready too: to be set aside. */
export const readyRow = (arrival: RowArrival, reading: Reading): ReadyRow => {
  const { source, origin } = arrival
  const { org, isRepair } = reading
  try {
    const identified = source.identify(org, arrival.row, reading.readAt, arrival.copy)
    const records = [recordOf(arrival, identified, reading)]
    return { kind: 'row', org, source, origin, identified, isUnreadable: false, isRepair, records }
  } catch (cause) {
    const { identified, records } = setAside(arrival, (cause as Error).message, reading)
    return { kind: 'row', org, source, origin, identified, isUnreadable: true, isRepair, records }
  }
}

/** Levels of a row that the stages can take. Whoever wrote it may have made thousands, at which what reads it level by level would end. */
const mostLevels = 500
/** As many levels need as many beginnings: most rows are known to be flat without a look at all that they hold. */
const mayBeTooDeep = (json: string): boolean => {
  let begun = 0
  for (const opening of ['{', '['])
    for (let at = json.indexOf(opening); at >= 0; at = json.indexOf(opening, at + 1))
      if (++begun > mostLevels) return true
  return false
}

const recordOf = (
  { source, json, row, origin }: RowArrival,
  { id, key, receivedAt, queue = source.queue }: Identified,
  { org, readAt, isRepair }: Reading,
): NewRecord => {
  const isTooMuch = Buffer.byteLength(json) > mostRowBytes || (mayBeTooDeep(json) && isDeeperThan(row, mostLevels))
  const kept = isTooMuch ? source.shorten(row) : json
  const came = isRepair ? 'repair' : origin
  const raw = { org, queue, id, received_at: receivedAt, read_at: readAt, origin: came, row: kept }
  return { topic: source.topic.name, key, value: encode('RawEvent', raw) }
}

const setAside = (
  { source, json, row }: RowArrival,
  reason: string,
  { org, readAt }: Reading,
): Pick<ReadyRow, 'identified' | 'records'> => {
  const id = `${org}/unreadable/${substanceHash(row, json)}`
  const key = `${org}/${source.queue}`
  const origin = { stage: 'collect', topic: '', partition: -1, offset: -1, key }
  return {
    identified: { id, key, receivedAt: readAt },
    records: rejection(
      { ...origin, reason, at: readAt, bytes: Buffer.from(json) },
      { event: id, org, received_at: readAt },
    ),
  }
}
