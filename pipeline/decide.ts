import { hash } from 'node:crypto'
import { from, type Observable } from 'rxjs'
import type { EventLog, LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import type { BatchRule } from '../operators/batch.ts'
import { isStanding, type Judgement, judgementOf } from '../operators/judgement.ts'
import type { StateStore } from '../operators/with-state.ts'
import { encode } from '../schemas/codec.ts'
import type { BatchTerms, FlowEvent, Mark, Notice, Outcome, Recipient, Verdict } from '../schemas/generated.ts'
import type { Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import { topics } from '../schemas/topics.ts'
import type { FlowMonitor } from './monitors/monitor.ts'
import { decodeAll } from './runtime/decoding.ts'
import { type Marks, marksIn } from './runtime/marks.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'

export interface DecideOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly tell: Tell
  /** Asked at each turn, so that a reloaded configuration counts from the next one. */
  readonly monitors: () => { readonly monitors: readonly FlowMonitor[]; readonly configuration: string }
}

/** What was told is remembered for one to two of these; no window is longer. */
const toldBucketMs = 30 * 86_400_000

/** Asks every monitor about every event: one verdict each, and a notice for each recipient. No network, no clock but the event's. */
export const decide = (options: DecideOptions): Observable<never> =>
  runTopology(options.log, { name: 'decide', inputs: [topics.flowEvents.name] }, (task) => ({
    turn: (turn) => decideTurn(task, turn, options),
  }))

interface Arrived {
  readonly record: LogRecord
  readonly event: FlowEvent
}

const decideTurn = async (task: Task, turn: Turn, options: DecideOptions): Promise<TurnResult> => {
  const { monitors, configuration } = options.monitors()
  const state = openTurnState(task.state)
  const append: NewRecord[] = []
  const arrived: Arrived[] = []
  for (const decoded of await decodeAll('FlowEvent', turn.records, options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else arrived.push({ record: decoded.record, event: decoded.value })
  }
  const verdicts: Verdict[][] = arrived.map(() => [])
  for (const monitor of monitors)
    judgeAll(monitor, arrived, state, turn.now).forEach((judgement, n) => {
      const { record } = arrived[n] as Arrived
      const notices = noticesOf(monitor, judgement, record, configuration, turn.now)
      append.push(...notices.map(noticeRecord))
      verdicts[n]?.push(verdictOf(monitor, judgement, notices))
    })
  arrived.forEach((one, n) => append.push(outcomeRecord(one, verdicts[n] ?? [], configuration, turn.now)))
  return { append, put: state.puts() }
}

/** Runs the events of a turn through a monitor's chain. */
const judgeAll = (
  monitor: FlowMonitor,
  arrived: readonly Arrived[],
  state: TurnState,
  now: EpochMs,
): readonly Judgement<FlowEvent>[] => {
  const told = marksIn(state, `told/${monitor.name}`, toldBucketMs)
  const windows = marksIn(state, `window/${monitor.name}`, toldBucketMs)
  const lateWindows = marksIn(state, `late-window/${monitor.name}`, toldBucketMs)
  const judged: Judgement<FlowEvent>[] = []
  from(arrived.map(({ event }) => judgementOf(event)))
    .pipe(monitor.chain({ told: storeOf(told), windows: windowStoreOf(windows, lateWindows) }))
    .subscribe((judgement) => judged.push(judgement))
  for (const marks of [told, windows, lateWindows]) marks.forget(now - 2 * toldBucketMs)
  if (judged.length !== arrived.length)
    throw new Error(`monitor ${monitor.name} gave ${judged.length} verdicts for ${arrived.length} events`)
  return judged
}

const storeOf = (marks: Marks): StateStore<Mark> => ({
  get: (key, now) => marks.get(key, now),
  put: (key, mark) => {
    if (mark !== undefined) marks.put(key, mark)
  },
})

/**
 * Of each key the latest window, and the latest of those that events from before it opened: what is read back after an outage
 * comes after the first live event, and is deduplicated by itself.
 */
const windowStoreOf = (windows: Marks, lateWindows: Marks): StateStore<Mark> => {
  const isBefore = (at: EpochMs, latest: Mark | undefined): boolean => latest !== undefined && at < latest.at
  return {
    get(key, now) {
      const latest = windows.get(key, now)
      return isBefore(now, latest) ? lateWindows.get(key, now) : latest
    },
    put(key, mark, now) {
      if (mark !== undefined) (isBefore(now, windows.get(key, now)) ? lateWindows : windows).put(key, mark)
    },
  }
}

const noticeId = (monitor: FlowMonitor, event: FlowEvent, { address }: Recipient): string =>
  hash('sha256', JSON.stringify([monitor.name, event.id, address.toLowerCase()]), 'base64url').slice(0, 22)

const noticesOf = (
  monitor: FlowMonitor,
  judgement: Judgement<FlowEvent>,
  record: LogRecord,
  configuration: string,
  now: EpochMs,
): readonly Notice[] => {
  const { event } = judgement
  if (judgement.recipients.length === 0) return []
  const { topic, partition, offset } = record
  const common = {
    monitor: monitor.name,
    artifact: monitor.artifact,
    channel: monitor.channel,
    sender: monitor.sender,
    noticed_at: now,
    event_at: { topic, partition, offset },
    configuration,
    batch: batchTerms(monitor.batch),
    ...monitor.noticeOf(event),
  }
  return judgement.recipients.map((recipient) => ({ ...common, id: noticeId(monitor, event, recipient), recipient }))
}

const batchTerms = ({ quietMs, longestMs, most, firstAtOnce, spacingMs }: BatchRule): BatchTerms => ({
  quiet_ms: quietMs,
  longest_ms: longestMs,
  most,
  first_at_once: firstAtOnce,
  spacing_ms: spacingMs,
})

const noticeRecord = (notice: Notice): NewRecord => ({
  topic: topics.notices.name,
  key: `${notice.channel}/${notice.recipient.address.toLowerCase()}`,
  value: encode('Notice', notice),
})

const kindOf = (judgement: Judgement<FlowEvent>): Verdict['outcome'] => {
  if (judgement.repeatOf !== null) return 'duplicate'
  if (!isStanding(judgement)) return 'objected'
  return judgement.recipients.length === 0 ? 'no_recipients' : 'told'
}

const verdictOf = (monitor: FlowMonitor, judgement: Judgement<FlowEvent>, notices: readonly Notice[]): Verdict => {
  const { objections, overruledBy, repeatOf, warnings } = judgement
  const outcome = kindOf(judgement)
  return {
    monitor: monitor.name,
    artifact: monitor.artifact,
    outcome,
    objections,
    overruled_by: overruledBy,
    of: repeatOf?.event ?? '',
    reason:
      repeatOf?.reason ??
      (outcome === 'no_recipients' ? 'nobody to tell: no fixed recipient, creator or metadata address' : ''),
    notices: notices.map(({ id }) => id),
    warnings,
  }
}

const outcomeRecord = (
  { record, event }: Arrived,
  verdicts: readonly Verdict[],
  configuration: string,
  now: EpochMs,
): NewRecord => {
  const { topic, partition, offset, key } = record
  const outcome: Outcome = {
    event: event.id,
    org: event.org,
    client: event.client.id,
    flow: event.flow.id,
    hunt: event.hunt?.id ?? '',
    name: '',
    event_at: { topic, partition, offset },
    received_at: event.received_at,
    at: now,
    configuration,
    verdicts,
    deliveries: [],
  }
  return { topic: topics.outcomes.name, key, partition, value: encode('Outcome', outcome) }
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'decide', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}
