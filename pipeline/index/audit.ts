import { decode } from '../../schemas/codec.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { allTopics, topics } from '../../schemas/topics.ts'
import { auditLane } from './audit-lane.ts'
import { auditNotices } from './audit-notices.ts'
import { monitorSums } from './audit-sums.ts'
import { auditAgain, auditMonitors } from './audit-verdicts.ts'
import type { Audit, AuditOptions, LaneSums, Work } from './audit-work.ts'
import { type IndexReading, type IndexReadingOptions, openIndexReading } from './index-reading.ts'
import type { OutcomeIndex } from './outcome-index.ts'

/** Records of outcomes and events up to which each is looked up without being asked: well under a second. */
const fewRecords = 100_000
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
