import type { EventLog } from '../../connectors/log/event-log.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import { kindOfTopic } from '../kinds/kinds.ts'
import { type LaneSums, type Work, eventId, find, parts, valueAt } from './audit-work.ts'
import { placeOf } from './place.ts'

/** Compares the offsets of one partition of events with their verdicts. */
export const auditLane = async (topic: string, partition: number, work: Work): Promise<LaneSums> => {
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
