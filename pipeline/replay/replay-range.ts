import type { LogRecord } from '../../connectors/log/event-log.ts'
import type { EpochMs } from '../../schemas/time.ts'

/** Which events are replayed: by the server's receive time, or by their positions in one partition. The end is exclusive. */
export type ReplayRange =
  | { readonly from: EpochMs; readonly to: EpochMs }
  | { readonly partition: number; readonly positions: { readonly from: number; readonly to: number } }

/** What an event's time may lie behind its coming to the log: the server's clock may be ahead of the log's. */
export const clockMarginMs = 3_600_000

export const isInRange = (
  range: ReplayRange,
  receivedAt: EpochMs,
  { partition, offset }: Pick<LogRecord, 'partition' | 'offset'>,
): boolean =>
  'from' in range
    ? receivedAt >= range.from && receivedAt < range.to
    : partition === range.partition && offset >= range.positions.from && offset < range.positions.to

/** One text for a range. */
export const rangeText = (range: ReplayRange): string =>
  'from' in range
    ? `${new Date(range.from).toISOString()}..${new Date(range.to).toISOString()}`
    : `${range.partition}/${range.positions.from}..${range.positions.to}`
