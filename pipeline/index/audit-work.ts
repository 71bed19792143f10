import type { LogSnapshot } from '../../connectors/log/embedded/log-snapshot.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import { DecodeError, decode } from '../../schemas/codec.ts'
import type { Outcome } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import { kindOfTopic } from '../kinds/kinds.ts'
import type { Lane, LaneRange, OutcomeIndex } from './outcome-index.ts'
import { type Place, offsetOfPlace, partitionOfPlace } from './place.ts'

/** So many findings are kept. */
export const mostFindings = 1000

/** What is not as it must be. */
export type FindingKind =
  | 'no verdict'
  | 'verdicts twice'
  | 'verdict of nothing'
  | 'monitor left out'
  | 'monitor twice'
  | 'lost'
  | 'no delivery'
  | 'delivered twice'
  | 'index'

export interface Finding {
  readonly kind: FindingKind
  /** The event's id; empty when its record cannot be read. */
  readonly id: string
  /** Of a delivery: the notice's id; empty otherwise. */
  readonly notice: string
  readonly monitor: string
  /** Where the event stands. */
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** What one monitor said of its events, and what came of it. */
export interface MonitorSums {
  readonly monitor: string
  events: number
  told: number
  duplicate: number
  silenced: number
  objected: number
  /** How often each filter objected to what was not told. */
  readonly objectedBy: Record<string, number>
  noRecipients: number
  rejected: number
  /** Notices that replays added; counted in `notices` too. */
  replayed: number
  notices: number
  delivered: number
  /** Could not be delivered, and were neither redriven nor dropped. */
  undeliverable: number
  /** Could not be delivered, and somebody let them be. */
  dropped: number
  /** In a letter that is open or claimed, or not read by deliver yet. */
  waiting: number
}

/** The events of one partition that were looked at. */
export interface LaneSums {
  readonly topic: string
  readonly partition: number
  /** The first offset and the one after the last. */
  readonly from: number
  readonly end: number
  readonly judged: number
  /** Written, and not read by decide yet. */
  readonly ahead: number
}

export interface Audit {
  readonly since: EpochMs | null
  readonly lanes: readonly LaneSums[]
  readonly monitors: readonly MonitorSums[]
  readonly events: number
  /** Rejected records that were no events yet, or no longer, by topic. */
  readonly aside: Readonly<Record<string, number>>
  readonly findings: readonly Finding[]
  /** Findings in all; `findings` holds the first thousand. */
  readonly found: number
  /** Whether each record of events and outcomes was looked up in the log, or the log's edges were compared with the index. */
  readonly everyRecord: boolean
  readonly readAfresh: number
}

export interface AuditOptions {
  readonly since: EpochMs | null
  /** Look up each record of events and outcomes in the log. */
  readonly everyRecord: boolean
}

/** An audit under way. */
export interface Work extends AuditOptions {
  readonly log: EventLog
  readonly snapshot: LogSnapshot
  readonly indexes: readonly OutcomeIndex[]
  readonly hasGaps: boolean
  readonly findings: Finding[]
  found: number
}

/** Takes a finding down: all are counted, the first thousand kept. */
export const find = (work: Work, finding: Omit<Finding, 'notice'> & { readonly notice?: string }): void => {
  work.found++
  if (work.findings.length < mostFindings) work.findings.push({ notice: '', ...finding })
}

/** A lane as an index knows it. */
export const laneIn = (index: OutcomeIndex, topic: string, partition: number): Lane | undefined =>
  index.lanes().find((lane) => lane.topic === topic && lane.partition === partition)

/** A lane's part in each index that knows it. */
export const parts = (
  { indexes }: Work,
  { topic, partition, from }: Pick<LaneSums, 'topic' | 'partition' | 'from'>,
): readonly { index: OutcomeIndex; range: LaneRange }[] =>
  indexes.flatMap((index) => {
    const lane = laneIn(index, topic, partition)
    return lane === undefined ? [] : [{ index, range: { lane, from } }]
  })

/** The bytes of a record; undefined: it is not there. */
export const valueAt = async (
  log: EventLog,
  topic: string,
  partition: number,
  offset: number,
): Promise<Uint8Array | undefined> => {
  for await (const [record] of log.read({ topic, partition, from: { offset }, to: { offset: offset + 1 } }))
    return record?.value
  return undefined
}

/** The id of the event that stands there; empty when it cannot be read, or when no further finding is listed. */
export const eventId = async (
  { log, findings }: Work,
  topic: string,
  partition: number,
  offset: number,
): Promise<string> => {
  if (findings.length >= mostFindings) return ''
  const value = await valueAt(log, topic, partition, offset)
  try {
    return value === undefined
      ? ''
      : (kindOfTopic(topic)?.with((kind) => kind.about(decode(kind.name, value)).event) ?? '')
  } catch (cause) {
    if (cause instanceof DecodeError) return ''
    throw cause
  }
}

/** The outcome that stands there; undefined: none. */
export const outcomeAt = async (log: EventLog, at: Place): Promise<Outcome | undefined> => {
  const value = await valueAt(log, topics.outcomes.name, partitionOfPlace(at), offsetOfPlace(at))
  return value === undefined ? undefined : decode('Outcome', value)
}

/** Whether an event is one of those that are looked at. */
export const isInRange = (
  { topic, partition, offset }: { topic: string; partition: number; offset: number },
  lanes: readonly LaneSums[],
): boolean => lanes.some((lane) => lane.topic === topic && lane.partition === partition && offset >= lane.from)
