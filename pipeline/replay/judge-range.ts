import type { Bound, LogRecord } from '../../connectors/log/event-log.ts'
import { isTold, type Judgement } from '../../operators/judgement.ts'
import { memoryIn, noticeId, openJudge } from '../judge.ts'
import type { About, EventKind, EventName } from '../kinds/kind.ts'
import { monitorsFor } from '../monitors/monitor.ts'
import { decodeAll } from '../runtime/decoding.ts'
import { countsIn, putCounts } from './counts.ts'
import type { Counts, JudgedEdges, Pair, Recorded } from './replay-file.ts'
import { openReplayMemory } from './replay-memory.ts'
import { clockMarginMs, isInRange, type ReplayRange } from './replay-range.ts'
import { oneAhead } from './one-ahead.ts'
import { isStopped, type ReplayWork } from './replay-work.ts'

const stage = 'judge'
/** Beside the other: what no verdict is of was counted. */
const tailStage = 'tail'
/** Between two commits of what was found, ms: as much is found again after a kill. */
const commitMs = 3000

/**
 * Judges the range's events by the rules of the replay, in the order of the log, and writes down how that differs from what is on
 * record. What lies before the range is judged for what monitors remember. Says whether it came to its end, or was stopped before.
 */
export const judgeRange = async (work: ReplayWork): Promise<boolean> => {
  const counts = countsIn(work.file)
  for (const [, reading] of oneAhead(work.log.partitions, (partition) => openReading(partition, work)))
    if (reading !== null && !(await work.kind.with((kind) => judgePartition(kind, reading, counts, work)))) return false
  return true
}

/** The events of one partition, to be read once. */
interface Reading {
  readonly partition: number
  /** undefined: nothing of it has a verdict. */
  readonly edges: JudgedEdges | undefined
  readonly to: number | undefined
  readonly pages: AsyncIterable<readonly LogRecord[]>
}

/** null: nothing of the partition is in the range. */
const openReading = (partition: number, work: ReplayWork): Reading | null => {
  const { log, topic, file, range } = work
  if ('partition' in range && range.partition !== partition) return null
  const edges = file.edges(partition)
  const to = lastOf(edges, work)
  return {
    partition,
    edges,
    to: to.to?.offset,
    pages: log.read({ topic, partition, ...beginning(partition, work), ...to }),
  }
}

const judgePartition = async <N extends EventName>(
  kind: EventKind<N>,
  { partition, edges, to, pages }: Reading,
  counts: Counts,
  work: ReplayWork,
): Promise<boolean> => {
  const { log, file, progress, rules, range } = work
  const memory = openReplayMemory(file, partition)
  const judges = monitorsFor(rules.monitors, kind.name).map((monitor) => ({
    monitor,
    judge: openJudge(monitor, memoryIn(memory.state, monitor)),
  }))
  const record = openRecorded(work, partition)
  let pairs: Pair[] = []
  let next: number | undefined
  let first: number | undefined
  let committedAt = performance.now()
  const commit = (isDone: boolean): void => {
    if (next === undefined) return
    const at = next
    file.commit(() => {
      for (const pair of pairs) file.addPair(pair)
      // Nothing of a partition is judged after its end.
      if (!isDone) memory.save()
      putCounts(file, counts)
      file.move(stage, partition, at)
    })
    pairs = []
    committedAt = performance.now()
  }
  const found = (pair: Pair): void => {
    if (pair.kind === 'kept') counts.kept[pair.monitor] = (counts.kept[pair.monitor] ?? 0) + 1
    if (pair.kind !== 'kept' || work.listsKept) pairs.push(pair)
  }
  for await (const records of pages) {
    for (const decoded of await decodeAll<N>(kind.name, records, work, work.lost, kind.skim)) {
      if ('problem' in decoded) {
        if (isRecordInRange(decoded.record, work)) counts.foreign++
        continue
      }
      const { record: at, value: event } = decoded
      const about = kind.about(event)
      const isInside = isInRange(range, about.received_at, at)
      if (isInside && (edges === undefined || at.offset < edges.first || at.offset > edges.last)) {
        counts.unrecorded++
        continue
      }
      if (isInside) counts.events++
      else counts.before++
      const asked = judges.filter(({ monitor }) => monitor.concerns?.(event) ?? true)
      const judged = asked.map(({ monitor, judge }) => ({ monitor: monitor.name, judgement: judge(event) }))
      if (isInside) counts.made += judged.filter(({ judgement }) => judgement.raises && isTold(judgement)).length
      if (isInside) pairsOf(at, about, judged, record(at.offset), found)
    }
    const { offset } = records.at(-1) as LogRecord
    first ??= (records[0] as LogRecord).offset
    next = offset + 1
    const end = to ?? next
    progress.report(
      isBefore(range, records.at(-1) as LogRecord) ? 'judging what came before' : 'judging',
      (partition + (next - first) / Math.max(1, end - first)) / log.partitions,
      records.length,
    )
    if (performance.now() - committedAt >= commitMs) commit(false)
    if (isStopped(work)) {
      commit(false)
      return false
    }
  }
  commit(true)
  if (edges === undefined || 'partition' in range || file.next(tailStage, partition) !== undefined) return true
  const tail = await work.kind.with((each) => tailOf(each, partition, edges, work))
  file.commit(() => {
    counts.unrecorded += tail.unrecorded
    counts.foreign += tail.foreign
    putCounts(file, counts)
    file.move(tailStage, partition, edges.last + 1)
  })
  return true
}

/** What of the range came after the last event with a verdict: decide has not read it yet. */
const tailOf = async <N extends EventName>(
  kind: EventKind<N>,
  partition: number,
  edges: JudgedEdges,
  work: ReplayWork,
): Promise<Pick<Counts, 'unrecorded' | 'foreign'>> => {
  const { log, topic, range } = work
  const tail = { unrecorded: 0, foreign: 0 }
  for await (const records of log.read({ topic, partition, from: { offset: edges.last + 1 } }))
    for (const decoded of await decodeAll<N>(kind.name, records, work, work.lost, kind.skim))
      if ('problem' in decoded) {
        if (isRecordInRange(decoded.record, work)) tail.foreign++
      } else if (isInRange(range, kind.about(decoded.value).received_at, decoded.record)) tail.unrecorded++
  return tail
}

/** Where reading begins: with what monitors may remember. */
const beginning = (partition: number, { file, range, warmUpMs }: ReplayWork): { readonly from?: Bound } => {
  const next = file.next(stage, partition)
  if (next !== undefined) return { from: { offset: next } }
  if (warmUpMs === null || !('from' in range)) return {}
  return { from: { timestamp: range.from - clockMarginMs - warmUpMs } }
}

/** Nothing of the range comes after its last event on record; what has no record yet is looked for to the end. */
const lastOf = (
  edges: JudgedEdges | undefined,
  { range }: ReplayWork,
): { readonly to?: { readonly offset: number } } => {
  if ('positions' in range) return { to: { offset: range.positions.to } }
  return edges === undefined ? {} : { to: { offset: edges.lastInRange + 1 } }
}

/** Nothing up to there came late enough for the range. */
const isBefore = (range: ReplayRange, { offset, timestamp }: LogRecord): boolean =>
  'from' in range ? timestamp < range.from : offset < range.positions.from

/** A record that cannot be read has no time but that of its coming. */
const isRecordInRange = (record: LogRecord, { range }: ReplayWork): boolean =>
  isInRange(range, record.timestamp, record)

const page = 2000
const none: readonly Recorded[] = []

/** What is on record of one event after the other: offsets must grow. */
const openRecorded = ({ file }: ReplayWork, partition: number): ((offset: number) => readonly Recorded[]) => {
  let rows: readonly Recorded[] = []
  let at = 0
  let isLast = false
  return (offset) => {
    for (;;) {
      while (at < rows.length && (rows[at] as Recorded).offset < offset) at++
      // The rows of one event may go on in the next page.
      let end = at
      while (end < rows.length && (rows[end] as Recorded).offset === offset) end++
      if (end < rows.length || isLast) return end === at ? none : rows.slice(at, end)
      const most = Math.max(page, (end - at) * 2)
      rows = file.recorded(partition, offset, most)
      at = 0
      isLast = rows.length < most
    }
  }
}

interface Judged {
  readonly monitor: string
  readonly judgement: Judgement<unknown>
}

const same = (address: string): string => address.toLowerCase()

interface WouldTell {
  readonly monitor: string
  readonly recipient: string
  readonly name: string
}

/** What is not delivered yet tells whom by the id of its notice alone, where it is one of those who would be told. */
const withRecipients = (
  recorded: readonly Recorded[],
  would: readonly WouldTell[],
  event: string,
): readonly Recorded[] => {
  const lacks = ({ recipient, replay }: Recorded): boolean => recipient === '' && replay === ''
  const lacking = recorded.filter(lacks)
  if (lacking.length === 0 || would.length === 0) return recorded
  const byId = new Map<string, string>()
  const monitors = [...new Set(lacking.map((row) => row.monitor))]
  const name = (isOwn: boolean): void => {
    for (const monitor of monitors)
      for (const each of would)
        if ((each.monitor === monitor) === isOwn) byId.set(noticeId(monitor, event, each.recipient), each.recipient)
  }
  // Nearly always who is on record is told by the same monitor again.
  name(true)
  if (lacking.some(({ notice }) => !byId.has(notice))) name(false)
  return recorded.map((row) => (lacks(row) ? { ...row, recipient: byId.get(row.notice) ?? '' } : row))
}

/** The replays that told it, each once. */
const replaysOf = (rows: readonly Recorded[]): string => {
  const replayed = rows.filter(({ replay }) => replay !== '')
  return replayed.length === 0 ? '' : [...new Set(replayed.map(({ replay }) => replay))].join(' ')
}

/** How the judgements of one event differ from what is on record: by recipient, whichever monitor told. */
const pairsOf = (
  { partition, offset, timestamp }: LogRecord,
  { event, client, flow }: About,
  judged: readonly Judged[],
  onRecord: readonly Recorded[],
  found: (pair: Pair) => void,
): void => {
  const would = judged.flatMap<WouldTell>(({ monitor, judgement }) =>
    isTold(judgement) ? judgement.recipients.map(({ address, name }) => ({ monitor, recipient: address, name })) : [],
  )
  if (would.length === 0 && onRecord.length === 0) return
  const recorded = withRecipients(onRecord, would, event)
  const common = { partition, offset, event, client, flow, at: timestamp }
  // A notice that has no recipient was put on record by a replay, and was never written.
  const told = Map.groupBy(
    recorded.filter(({ recipient }) => recipient !== ''),
    ({ recipient }) => same(recipient),
  )
  const unwritten = new Map(
    recorded
      .filter(({ recipient, replay }) => recipient === '' && replay !== '')
      .map((one) => [one.notice, one.replay]),
  )
  for (const { monitor, recipient, name } of would) {
    const rows = told.get(same(recipient)) ?? []
    const promised = [...unwritten].find(
      ([notice, replay]) => notice === noticeId(monitor, event, recipient, replay),
    )?.[1]
    const own = rows.find((row) => row.monitor === monitor) ?? rows[0]
    found({
      ...common,
      kind: rows.length > 0 ? 'kept' : 'gained',
      monitor,
      recipient,
      name,
      told_in: own?.told_in ?? '',
      replays: replaysOf(rows),
      unwritten: promised ?? '',
      notice: '',
    })
  }
  const wanted = new Set(would.map(({ recipient }) => same(recipient)))
  const nothing = { name: '', unwritten: '' }
  for (const { notice, recipient, monitor, told_in, replay } of recorded)
    if (!wanted.has(same(recipient)) && (recipient !== '' || replay === ''))
      found({ ...common, ...nothing, kind: 'lost', monitor, recipient, told_in, replays: replay, notice })
}
