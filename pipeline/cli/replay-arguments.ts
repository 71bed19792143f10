import { InvalidArgumentError } from '@commander-js/extra-typings'
import { ConnectorError } from '../../connectors/errors.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import type { ReplayRange } from '../replay/replay-range.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { parseSince } from './run-command.ts'

/** A time, or a duration before now, with or without `ago`. */
export const parseMoment = (text: string): EpochMs => parseSince(text.trim().replace(/\s*ago$/, ''))

/** Two offsets: A..B, without B. */
export const parsePositions = (text: string): { readonly from: number; readonly to: number } => {
  const found = /^(\d+)\.\.(\d+)$/.exec(text)
  if (found === null)
    throw new InvalidArgumentError('Give two offsets such as 1200..1300; the last one is not replayed.')
  const [from, to] = [Number(found[1]), Number(found[2])]
  if (from >= to) throw new InvalidArgumentError(`${text} is empty: the end must lie after the beginning.`)
  return { from, to }
}

/** A number of ms, written 30m, 2h or 7d. */
export const parseDuration = (text: string): number => {
  const now = Date.now()
  if (!/^\d+(ms|s|m|h|d)$/.test(text)) throw new InvalidArgumentError('Give a duration such as 2h.')
  return Math.max(0, now - parseSince(text))
}

export interface RangeOptions {
  readonly from?: EpochMs | undefined
  readonly to?: EpochMs | undefined
  readonly partition?: number | undefined
  readonly positions?: { readonly from: number; readonly to: number } | undefined
}

/** The range that options name, or what is wrong with them. */
export const rangeOf = ({ from, to, partition, positions }: RangeOptions, now: EpochMs): ReplayRange | string => {
  if (partition !== undefined || positions !== undefined) {
    if (partition === undefined || positions === undefined) return '--partition and --positions belong together.'
    if (from !== undefined || to !== undefined) return 'Give a time (--from, --to) or positions, not both.'
    return { partition, positions }
  }
  if (from === undefined)
    return 'Say from when: --from 2h, --from 2026-04-22T14:00:00Z, or --partition with --positions.'
  const end = to ?? now
  return from < end ? { from, to: end } : 'The range is empty: --to must lie after --from.'
}

const time = (at: EpochMs): string => new Date(at).toISOString()

/**
 * What of a range is kept no longer, or what is judged before it, as a sentence; empty: nothing is to be said. `warmUpMs` as in
 * ReplayWork. Rejects with ConnectorError where the topic is empty, or positions are not in the log.
 */
export const checkRange = async (
  log: EventLog,
  topic: string,
  range: ReplayRange,
  warmUpMs: number | null,
): Promise<string> => ('from' in range ? checkTimes(log, topic, range, warmUpMs) : checkPositions(log, topic, range))

const checkTimes = async (
  log: EventLog,
  topic: string,
  range: { readonly from: EpochMs; readonly to: EpochMs },
  warmUpMs: number | null,
): Promise<string> => {
  let oldest = Infinity
  let isTrimmed = false
  for (let partition = 0; partition < log.partitions; partition++)
    for await (const [record] of log.read({ topic, partition })) {
      oldest = Math.min(oldest, record?.timestamp ?? Infinity)
      isTrimmed ||= (record?.offset ?? 0) > 0
      break
    }
  if (oldest === Infinity) throw new ConnectorError('LOG_DENIED', `topic ${topic} holds no event`)
  if (range.from > oldest && warmUpMs === null)
    return `Judged first, for what monitors remember: all that came from ${time(oldest)} on, which is exact. --warm-up 2h judges only so much before the range.`
  if (range.from >= oldest) return ''
  // What was read back from history was received long before it came.
  return isTrimmed
    ? `Kept is what came to the log from ${time(oldest)} on: what came before is left out.`
    : `The log begins at ${time(oldest)}: of earlier events it has those that were read back.`
}

const checkPositions = async (
  log: EventLog,
  topic: string,
  {
    partition,
    positions,
  }: { readonly partition: number; readonly positions: { readonly from: number; readonly to: number } },
): Promise<string> => {
  if (partition >= log.partitions)
    throw new ConnectorError('LOG_DENIED', `there is no partition ${partition}: the log has 0 to ${log.partitions - 1}`)
  let first: number | undefined
  for await (const [record] of log.read({ topic, partition })) {
    first = record?.offset
    break
  }
  let last: number | undefined
  for await (const records of log.read({ topic, partition, from: { offset: positions.from } })) {
    last = records.at(-1)?.offset ?? last
    if (last !== undefined && last >= positions.to - 1) break
  }
  const place = `topic ${topic} partition ${partition}`
  if (first === undefined) throw new ConnectorError('LOG_DENIED', `${place} holds no event`)
  if (last === undefined || last < positions.to - 1)
    throw new ConnectorError(
      'LOG_DENIED',
      `${place} ends before position ${positions.to}${last === undefined ? '' : `: its last record is ${last}`}`,
    )
  if (positions.to <= first)
    throw new ConnectorError('LOG_DENIED', `nothing is left of that range: ${place} is kept from position ${first} on`)
  return positions.from < first ? `${place} is kept from position ${first} on: what is older is left out.` : ''
}
