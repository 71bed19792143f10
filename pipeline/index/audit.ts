import type { LogSnapshot } from '../../connectors/log/embedded/log-snapshot.ts'
import type { EventLog } from '../../connectors/log/event-log.ts'
import { decode, DecodeError } from '../../schemas/codec.ts'
import type { Delivery, Outcome } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { kindOfTopic } from '../kinds/kinds.ts'
import { unsettledNotices } from './committed-letters.ts'
import { type IndexReading, type IndexReadingOptions, openIndexReading } from './index-reading.ts'
import { eventAt, type Lane, type LaneRange, type OutcomeIndex, type Owed } from './outcome-index.ts'
import { offsetOfPlace, partitionOfPlace, type Place, placeOf } from './place.ts'
import { readDeliverySignature, readVerdictSignature, type VerdictSignature } from './signature.ts'

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

/** Records of outcomes and events up to which each is looked up without being asked: well under a second. */
const fewRecords = 100_000
const mostFindings = 1000

interface Work extends AuditOptions {
  readonly log: EventLog
  readonly snapshot: LogSnapshot
  readonly indexes: readonly OutcomeIndex[]
  readonly hasGaps: boolean
  readonly findings: Finding[]
  found: number
}

/**
 * Compares the log's own positions of events with their verdicts, and notices with deliveries.
 *
 * The proof: the index holds at most one row of verdicts for each event's offset (its key), and counts these rows by blocks of offsets
 * in the same commits. When a partition's offsets with verdicts lie within [from, end) and number end − from, they are all of them;
 * otherwise each one missing is sought in the blocks that are not full, and looked up in the log. `end` is where decide has read to, by
 * its own commit. For each notice the index holds the difference of decided and delivered unless it is 0: what is left must wait in
 * the state of deliver, or before its position.
 */
export const audit = async (
  { log, snapshot, indexes, readAfresh, hasGaps }: IndexReading,
  options: AuditOptions,
): Promise<Audit> => {
  const work: Work = { log, snapshot, indexes, hasGaps, ...options, findings: [], found: 0 }
  const lanes: LaneSums[] = []
  for (const { name } of allTopics.filter((topic) => topic.name.startsWith('events.')))
    for (let partition = 0; partition < log.partitions; partition++) lanes.push(await auditLane(name, partition, work))
  const monitors = monitorSums(lanes, work)
  await auditMonitors(lanes, work)
  await auditAgain(lanes, work)
  await auditNotices(lanes, monitors, work)
  return {
    since: options.since,
    lanes,
    monitors: [...monitors.values()].toSorted((a, b) => (a.monitor < b.monitor ? -1 : 1)),
    events: lanes.reduce((sum, { judged }) => sum + judged, 0),
    aside: asideCounts(indexes),
    findings: work.findings,
    found: work.found,
    everyRecord: options.everyRecord,
    readAfresh,
  }
}

const find = (work: Work, finding: Omit<Finding, 'notice'> & { readonly notice?: string }): void => {
  work.found++
  if (work.findings.length < mostFindings) work.findings.push({ notice: '', ...finding })
}

const laneIn = (index: OutcomeIndex, topic: string, partition: number): Lane | undefined =>
  index.lanes().find((lane) => lane.topic === topic && lane.partition === partition)

/** A lane's part in each index that knows it. */
const parts = (
  { indexes }: Work,
  { topic, partition, from }: Pick<LaneSums, 'topic' | 'partition' | 'from'>,
): readonly { index: OutcomeIndex; range: LaneRange }[] =>
  indexes.flatMap((index) => {
    const lane = laneIn(index, topic, partition)
    return lane === undefined ? [] : [{ index, range: { lane, from } }]
  })

const auditLane = async (topic: string, partition: number, work: Work): Promise<LaneSums> => {
  const { log, snapshot, since } = work
  const edges = snapshot.edges(topic, partition)
  const decide = kindOfTopic(topic)?.with((kind) => kind.decide)
  const read = (decide === undefined ? undefined : snapshot.position(decide, partition, topic)) ?? edges.floor
  // Where outcomes have been removed with age nobody can say any more what the first events had.
  const isTrimmed = snapshot.edges(topics.outcomes.name, partition).floor > 0
  // Where offsets have gaps, nobody can say of those below the floor which were records.
  const first = work.hasGaps
    ? edges.floor
    : isTrimmed
      ? (coverage(work, { topic, partition, from: 0 })?.first ?? read)
      : 0
  const from = since === null ? first : Math.max(first, await offsetAt(log, topic, partition, since, edges.end))
  // What is gone before decide could read it will not be judged any more.
  const end = Math.max(from, Math.min(edges.end, Math.max(read, edges.floor)))
  const ahead = work.hasGaps ? await countFrom(log, topic, partition, end) : Math.max(0, edges.end - end)
  const lane = { topic, partition, from, end, judged: 0, ahead }
  const all = coverage(work, lane)
  // Its service may run on: what came after the snapshot may have been judged since.
  const later = coverage(work, { ...lane, from: end })
  const judged = all?.count ?? 0
  if (work.everyRecord || judged - (later?.count ?? 0) !== end - from) await compareOffsets(lane, edges, work)
  if (later !== null) await checkLater({ ...lane, from: end }, edges.end, work)
  return { ...lane, judged }
}

const countFrom = async (log: EventLog, topic: string, partition: number, offset: number): Promise<number> => {
  let count = 0
  for await (const records of log.read({ topic, partition, from: { offset } })) count += records.length
  return count
}

interface Coverage {
  readonly count: number
  readonly first: number
  readonly last: number
}

const coverage = (work: Work, lane: Pick<LaneSums, 'topic' | 'partition' | 'from'>): Coverage | null =>
  parts(work, lane)
    .map(({ index, range }) => index.coverage(range))
    .reduce(
      (a, b) =>
        a === null || b === null
          ? (a ?? b)
          : { count: a.count + b.count, first: Math.min(a.first, b.first), last: Math.max(a.last, b.last) },
      null,
    )

const offsetAt = async (
  log: EventLog,
  topic: string,
  partition: number,
  since: EpochMs,
  end: number,
): Promise<number> => {
  for await (const [record] of log.read({ topic, partition, from: { timestamp: since } })) return record?.offset ?? end
  return end
}

/** Names what is missing up to where decide has read; record by record also verdicts of what is not there. */
const compareOffsets = async (lane: LaneSums, { floor }: { readonly floor: number }, work: Work): Promise<void> => {
  const { topic, partition, from, end } = lane
  const place = { monitor: '', topic, partition }
  const exists = work.everyRecord ? await offsetsOf(work.log, topic, partition, Math.max(from, floor)) : null
  for (const offset of unjudged(lane, work))
    if (offset < floor) find(work, { kind: 'lost', id: '', offset, ...place })
    else if (exists === null ? await isInLog(work.log, topic, partition, offset) : exists.has(offset))
      find(work, { kind: 'no verdict', id: await eventId(work, topic, partition, offset), offset, ...place })
  if (exists === null) return
  for (const { index, range } of parts(work, lane))
    for (const offset of index.judged(range))
      if (offset >= floor && offset < end && !exists.has(offset))
        find(work, { kind: 'verdict of nothing', id: '', offset, ...place })
}

/** Offsets that no index has verdicts of. */
const unjudged = (lane: LaneSums, work: Work): readonly number[] => {
  const { from, end } = lane
  const [first, ...others] = parts(work, lane)
  if (first === undefined) return Array.from({ length: end - from }, (_, n) => from + n)
  const isJudgedElsewhere = (offset: number): boolean =>
    others.some(({ index, range }) => index.verdictsOf(placeOf(range.lane.id, offset)) !== undefined)
  return [...first.index.unjudged(first.range, end)].filter((offset) => !isJudgedElsewhere(offset))
}

/** Verdicts of offsets beyond the end of the snapshot are right when those have come since. */
const checkLater = async (lane: LaneSums, end: number, work: Work): Promise<void> => {
  const { topic, partition } = lane
  for (const { index, range } of parts(work, lane))
    for (const offset of index.judged(range))
      if (offset >= end && !(await isInLog(work.log, topic, partition, offset)))
        find(work, { kind: 'verdict of nothing', id: '', monitor: '', topic, partition, offset })
}

const offsetsOf = async (
  log: EventLog,
  topic: string,
  partition: number,
  from: number,
): Promise<ReadonlySet<number>> => {
  const offsets = new Set<number>()
  for await (const records of log.read({ topic, partition, from: { offset: from } }))
    for (const { offset } of records) offsets.add(offset)
  return offsets
}

const isInLog = async (log: EventLog, topic: string, partition: number, offset: number): Promise<boolean> =>
  (await valueAt(log, topic, partition, offset)) !== undefined

const valueAt = async (
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
const eventId = async ({ log, findings }: Work, topic: string, partition: number, offset: number): Promise<string> => {
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

const outcomeAt = async (log: EventLog, at: Place): Promise<Outcome | undefined> => {
  const value = await valueAt(log, topics.outcomes.name, partitionOfPlace(at), offsetOfPlace(at))
  return value === undefined ? undefined : decode('Outcome', value)
}

const noSums = (monitor: string): MonitorSums => ({
  monitor,
  events: 0,
  told: 0,
  duplicate: 0,
  silenced: 0,
  objected: 0,
  objectedBy: {},
  noRecipients: 0,
  rejected: 0,
  replayed: 0,
  notices: 0,
  delivered: 0,
  undeliverable: 0,
  dropped: 0,
  waiting: 0,
})

type Sums = Map<string, MonitorSums>

const sumsOf = (sums: Sums, monitor: string): MonitorSums => {
  const known = sums.get(monitor) ?? noSums(monitor)
  sums.set(monitor, known)
  return known
}

const sumKeys = {
  told: 'told',
  duplicate: 'duplicate',
  silenced: 'silenced',
  objected: 'objected',
  no_recipients: 'noRecipients',
  rejected: 'rejected',
} as const

const monitorSums = (lanes: readonly LaneSums[], work: Work): Sums => {
  const sums: Sums = new Map()
  for (const { index, range } of lanes.flatMap((lane) => parts(work, lane))) {
    for (const { signature, count } of index.verdictCounts(range))
      addVerdicts(sums, readVerdictSignature(signature), count)
    for (const { signature, count } of index.replayCounts(range))
      for (const { monitor, notices } of readVerdictSignature(signature).verdicts) {
        sumsOf(sums, monitor).replayed += notices * count
        sumsOf(sums, monitor).notices += notices * count
      }
    for (const { signature, count } of index.deliveryCounts(range)) {
      const { monitor, outcome } = readDeliverySignature(signature)
      addDelivery(sumsOf(sums, monitor), outcome, count)
    }
  }
  return sums
}

/** The last word of a notice counts: what is redriven is open again, and what is dropped was undeliverable before. */
const addDelivery = (sums: MonitorSums, outcome: Delivery['outcome'], count: number): void => {
  if (outcome === 'told') sums.delivered += count
  if (outcome === 'undeliverable') sums.undeliverable += count
  if (outcome === 'redriven' || outcome === 'dropped') sums.undeliverable -= count
  if (outcome === 'dropped') sums.dropped += count
}

const addVerdicts = (sums: Sums, { verdicts }: VerdictSignature, count: number): void => {
  for (const { monitor, outcome, by, notices } of verdicts) {
    const of = sumsOf(sums, monitor)
    of.events += count
    of.notices += notices * count
    of[sumKeys[outcome]] += count
    if (outcome === 'objected') for (const filter of by) of.objectedBy[filter] = (of.objectedBy[filter] ?? 0) + count
  }
}

/** Under one configuration every event is judged by the same monitors, by each once. A rejected record was not judged by any. */
const auditMonitors = async (lanes: readonly LaneSums[], work: Work): Promise<void> => {
  const found = lanes.flatMap((lane) =>
    parts(work, lane).flatMap(({ index, range }) =>
      index.verdictCounts(range).map(({ signature }) => ({ index, range, signature })),
    ),
  )
  const monitorsOf = new Map<string, Set<string>>()
  for (const { signature } of found) {
    const { configuration, verdicts } = readVerdictSignature(signature)
    if (configuration === '') continue
    const monitors = monitorsOf.get(configuration) ?? new Set()
    monitorsOf.set(configuration, monitors)
    for (const { monitor } of verdicts) monitors.add(monitor)
  }
  for (const { index, range, signature } of found)
    for (const [monitor, kind] of deviations(readVerdictSignature(signature), monitorsOf))
      for (const { event, at } of index.judgedAs(signature, range, mostFindings)) {
        const id = (await outcomeAt(work.log, at))?.event ?? ''
        find(work, { kind, id, monitor, ...eventAt(index, event) })
      }
}

const deviations = (
  { configuration, verdicts }: VerdictSignature,
  monitorsOf: ReadonlyMap<string, ReadonlySet<string>>,
): readonly (readonly [string, FindingKind])[] =>
  [...(monitorsOf.get(configuration) ?? [])].flatMap((monitor) => {
    const times = verdicts.filter((verdict) => verdict.monitor === monitor).length
    return times === 1 ? [] : [[monitor, times === 0 ? 'monitor left out' : 'monitor twice'] as const]
  })

/** Events that got their verdicts twice: within one index, or one in each. */
const auditAgain = async (lanes: readonly LaneSums[], work: Work): Promise<void> => {
  const twice = work.indexes.flatMap((index) =>
    index.again().map(({ event, at }) => ({ place: eventAt(index, event), at })),
  )
  const [kept, fresh] = work.indexes
  if (kept !== undefined && fresh !== undefined)
    for (const lane of lanes)
      for (const { range } of parts({ ...work, indexes: [fresh] }, lane))
        for (const offset of fresh.judged(range)) {
          const other = laneIn(kept, lane.topic, lane.partition)
          const at = other === undefined ? undefined : kept.verdictsOf(placeOf(other.id, offset))
          if (at !== undefined) twice.push({ place: { topic: lane.topic, partition: lane.partition, offset }, at })
        }
  for (const { place, at } of twice)
    if (isInRange(place, lanes))
      find(work, { kind: 'verdicts twice', id: (await outcomeAt(work.log, at))?.event ?? '', monitor: '', ...place })
}

const isInRange = (
  { topic, partition, offset }: { topic: string; partition: number; offset: number },
  lanes: readonly LaneSums[],
): boolean => lanes.some((lane) => lane.topic === topic && lane.partition === partition && offset >= lane.from)

type OwedAt = Omit<Owed, 'event' | 'at'> & { readonly event: ReturnType<typeof eventAt> }

/** What the indexes together leave owed. */
const owedOf = (indexes: readonly OutcomeIndex[]): readonly OwedAt[] => {
  const all = new Map<string, OwedAt>()
  for (const index of indexes)
    for (const { notice, balance, monitor, event } of index.owed()) {
      const before = all.get(notice)
      all.set(
        notice,
        before === undefined
          ? { notice, balance, monitor, event: eventAt(index, event) }
          : { ...before, balance: before.balance + balance },
      )
    }
  return [...all.values()].filter(({ balance }) => balance !== 0)
}

const auditNotices = async (lanes: readonly LaneSums[], sums: Sums, work: Work): Promise<void> => {
  // A notice whose event is older than what is looked at may have lost its verdict to age.
  const owed = owedOf(work.indexes).filter(({ event }) => isInRange(event, lanes))
  const waiting = owed.some(({ balance }) => balance > 0)
    ? await unsettledNotices(work.log, work.snapshot)
    : new Set<string>()
  let balance = 0
  for (const { notice, balance: of, monitor, event } of owed) {
    balance += of
    const isWaiting = of > 0 && waiting.has(notice)
    if (isWaiting) sumsOf(sums, monitor).waiting++
    if (isWaiting && of === 1) continue
    const id = await eventId(work, event.topic, event.partition, event.offset)
    if (of < 0) find(work, { kind: 'delivered twice', id, notice, monitor, ...event })
    else find(work, { kind: 'no delivery', id, notice, monitor, ...event })
  }
  const decided = [...sums.values()].reduce(
    (sum, { notices, delivered, undeliverable, dropped }) => sum + notices - delivered - undeliverable - dropped,
    0,
  )
  if (decided !== balance)
    find(work, { kind: 'index', id: '', monitor: '', topic: topics.outcomes.name, partition: -1, offset: -1 })
}

const asideCounts = (indexes: readonly OutcomeIndex[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const index of indexes)
    for (const { topic, count } of index.aside()) counts[topic] = (counts[topic] ?? 0) + count
  return counts
}

/** Whether an index holds exactly the outcomes that the log has below its positions. */
const holdsWhatTheLogHolds = async ({ log, snapshot }: IndexReading, index: OutcomeIndex): Promise<boolean> => {
  const topic = topics.outcomes.name
  for (let partition = 0; partition < log.partitions; partition++) {
    const { floor } = snapshot.edges(topic, partition)
    const held = new Set(index.outcomes(partition))
    for await (const records of log.read({ topic, partition, to: { offset: index.applied(partition).next } }))
      for (const { offset, value } of records) if (!held.delete(offset) && isReadable(value)) return false
    // What retention has removed may still be in the index.
    for (const offset of held) if (offset >= floor) return false
  }
  return true
}

const isReadable = (value: Uint8Array): boolean => {
  try {
    decode('Outcome', value)
    return true
  } catch {
    return false
  }
}

/**
 * Audits a log. A small log is read record by record, and an index that tells otherwise than the log is not believed; of a large one
 * the index is, unless `fromLog` asks to believe none. Rejects with ConnectorError.
 */
export const auditLog = async (options: IndexReadingOptions, since: EpochMs | null): Promise<Audit> => {
  const reading = await openIndexReading(options)
  try {
    const everyRecord = reading.hasGaps || options.fromLog === true || recordsOf(reading) <= fewRecords
    const [kept, fresh] = reading.indexes
    const isBelieved =
      !everyRecord || fresh === undefined || kept === undefined || (await holdsWhatTheLogHolds(reading, kept))
    if (isBelieved) return await audit(reading, { since, everyRecord })
  } finally {
    await reading.close()
  }
  return auditLog({ ...options, fromLog: true }, since)
}

const recordsOf = ({ snapshot }: IndexReading): number => {
  let count = 0
  for (const { name } of allTopics)
    for (let partition = 0; partition < snapshot.partitions; partition++) {
      if (!name.startsWith('events.') && name !== topics.outcomes.name) continue
      const { floor, end } = snapshot.edges(name, partition)
      count += end - floor
    }
  return count
}
