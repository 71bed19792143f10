import { type Bound, type LogRecord } from '../../connectors/log/event-log.ts'
import { openSkimmer } from '../../schemas/codec.ts'
import type { Outcome } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { topics } from '../../schemas/topics.ts'
import { decodeAll } from '../runtime/decoding.ts'
import { countsIn, putCounts } from './counts.ts'
import type { JudgedEdges } from './replay-file.ts'
import { clockMarginMs, isInRange } from './replay-range.ts'
import { oneAhead } from './one-ahead.ts'
import { isStopped, type ReplayWork } from './replay-work.ts'

/** Whom a replay compares: reasons and texts for people are passed over. */
const skimOutcome = openSkimmer('Outcome', [
  'event',
  'org',
  'client',
  'flow',
  'hunt',
  'name',
  'configuration',
  'verdicts.artifact',
  'verdicts.objections',
  'verdicts.overruled_by',
  'verdicts.of',
  'verdicts.reason',
  'verdicts.warnings',
  'deliveries.artifact',
  'deliveries.reply',
  'deliveries.reason',
  'deliveries.command',
])
const skimNotice = openSkimmer('Notice', ['flow', 'flow_letter', 'alert', 'alert_letter'])

const stage = 'record'

/**
 * Writes down what the log's outcomes say of the range's events: which have verdicts, and who was told in which letter. Says
 * whether it came to its end, or was stopped before.
 */
export const readRecord = async (work: ReplayWork): Promise<boolean> => {
  const { log, file } = work
  const since = await recordedSince(work)
  for (const [partition, pages] of oneAhead(log.partitions, (of) =>
    log.read({ topic: topics.outcomes.name, partition: of, from: beginning(stage, of, since, work) }),
  ))
    if (!(await readPartition(partition, pages, since, work))) return false
  if (!file.hasPromised()) return true
  return readNotices('notices', since, work, file.putRecipient)
}

/** Finds the addresses of those who are lost and not delivered to yet. Says whether it came to its end, or was stopped before. */
export const nameLost = async (work: ReplayWork): Promise<boolean> =>
  !work.file.hasNamelessLost() || readNotices('lost', await recordedSince(work), work, work.file.nameLost)

/** What is told of an event is written after it. */
const recordedSince = async (work: ReplayWork): Promise<EpochMs> =>
  'from' in work.range ? work.range.from - clockMarginMs : await timeAt(work, work.range)

const timeAt = async (
  { log, topic }: ReplayWork,
  { partition, positions }: { readonly partition: number; readonly positions: { readonly from: number } },
): Promise<EpochMs> => {
  for await (const [record] of log.read({ topic, partition, from: { offset: positions.from } }))
    return (record?.timestamp ?? 0) - clockMarginMs
  return 0
}

/** Where the reading of a partition goes on. */
const beginning = (reading: string, partition: number, since: EpochMs, { file }: ReplayWork): Bound => {
  const next = file.next(reading, partition)
  return next === undefined ? { timestamp: since } : { offset: next }
}

type Pages = AsyncIterable<readonly LogRecord[]>

const readPartition = async (partition: number, pages: Pages, since: EpochMs, work: ReplayWork): Promise<boolean> => {
  const { log, file, progress, clock } = work
  const edges = new Map<number, JudgedEdges>()
  for await (const records of pages) {
    const decoded = await decodeAll('Outcome', records, work, work.lost, skimOutcome)
    file.commit(() => {
      const counts = countsIn(file)
      for (const one of decoded) if (!('problem' in one)) counts.wereMade += take(one.value, edges, work)
      putCounts(file, counts)
      for (const [lane, edge] of edges) file.putEdges(lane, edge)
      file.move(stage, partition, (records.at(-1) as LogRecord).offset + 1)
    })
    const at = (records.at(-1) as LogRecord).timestamp
    progress.report(
      'reading what is on record',
      (partition + share(at, since, clock.now())) / log.partitions,
      records.length,
    )
    if (isStopped(work)) return false
  }
  return true
}

/** How far a time lies on the way to another one. */
const share = (at: EpochMs, from: EpochMs, to: EpochMs): number =>
  Math.min(1, Math.max(0, (at - from) / Math.max(1, to - from)))

/** What is told without a notice is an alert. */
const madeAlerts = ({ verdicts, replay }: Outcome): number =>
  replay === '' ? verdicts.filter(({ outcome, notices }) => outcome === 'told' && notices.length === 0).length : 0

/** Writes down what an outcome says, and answers how many alerts were made of its event. */
const take = (outcome: Outcome, edges: Map<number, JudgedEdges>, { file, topic, range }: ReplayWork): number => {
  const { event_at, received_at, replay, verdicts, deliveries } = outcome
  if (event_at.topic !== topic) return 0
  const { partition, offset } = event_at
  const isInside = isInRange(range, received_at, event_at)
  if (deliveries.length === 0 && replay === '') {
    const edge = edges.get(partition) ?? file.edges(partition) ?? { first: offset, last: offset, lastInRange: -1 }
    edges.set(partition, {
      first: Math.min(edge.first, offset),
      last: Math.max(edge.last, offset),
      lastInRange: isInside ? Math.max(edge.lastInRange, offset) : edge.lastInRange,
    })
  }
  if (!isInside) return 0
  for (const { monitor, notices } of verdicts)
    for (const notice of notices) file.putVerdict(partition, offset, notice, monitor, replay)
  for (const { notice, monitor, recipient, message_id } of deliveries)
    file.putDelivery(partition, { offset, notice, monitor, recipient, replay, told_in: message_id })
  return madeAlerts(outcome)
}

/** Who is told by what is not delivered yet stands only in the notices. */
const readNotices = async (
  reading: 'notices' | 'lost',
  since: EpochMs,
  work: ReplayWork,
  put: (notice: string, recipient: string) => void,
): Promise<boolean> => {
  const { log, file, progress, clock } = work
  for (const [partition, pages] of oneAhead(log.partitions, (of) =>
    log.read({ topic: topics.notices.name, partition: of, from: beginning(reading, of, since, work) }),
  )) {
    for await (const records of pages) {
      const decoded = await decodeAll('Notice', records, work, work.lost, skimNotice)
      const { offset, timestamp } = records.at(-1) as LogRecord
      file.commit(() => {
        for (const one of decoded) if (!('problem' in one)) put(one.value.id, one.value.recipient.address)
        file.move(reading, partition, offset + 1)
      })
      progress.report(
        'reading notices on their way',
        (partition + share(timestamp, since, clock.now())) / log.partitions,
        records.length,
      )
      if (isStopped(work)) return false
    }
  }
  return true
}
