import { merge, type Observable } from 'rxjs'
import type { EventLog, LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import { asWritten } from '../schemas/codec.ts'
import type { Schemas, Verdict } from '../schemas/generated.ts'
import type { Tell } from '../schemas/happenings.ts'
import type { Clock, EpochMs } from '../schemas/time.ts'
import {
  alertRecord,
  alertsOf,
  memoryIn,
  noticeRecord,
  noticesOf,
  openJudge,
  outcomeRecord,
  toldBucketMs,
  verdictOf,
} from './judge.ts'
import type { EventKind, EventName } from './kinds/kind.ts'
import { kinds } from './kinds/kinds.ts'
import { type Monitor, type Monitors, monitorsFor } from './monitors/monitor.ts'
import { openVerdictCounts } from './observing/count-verdicts.ts'
import { decodeAll } from './runtime/decoding.ts'
import { type LatestMarks, openLatestMarks } from './runtime/latest-marks.ts'
import { rejection } from './runtime/rejection.ts'
import { runTopology, type TurnResult } from './runtime/run-topology.ts'
import { openTurnState, type TurnState } from './runtime/turn-state.ts'

export interface DecideOptions {
  readonly log: EventLog
  readonly clock: Clock
  readonly tell: Tell
  /** Asked at each turn, so that a reloaded configuration counts from the next one. */
  readonly monitors: () => { readonly monitors: Monitors; readonly configuration: string }
}

/** Asks every monitor about every event of its kind: one verdict each, and a notice for each recipient. No network, no clock but the event's. */
export const decide = (options: DecideOptions): Observable<never> =>
  merge(...kinds.map((some) => some.with((kind) => decideKind(kind, options))))

const decideKind = <N extends EventName>(kind: EventKind<N>, options: DecideOptions): Observable<never> =>
  runTopology(options.log, { name: kind.decide, inputs: [kind.topic.name] }, (task) => {
    const latest = openLatestMarks()
    return { turn: (turn) => decideTurn(kind, { task, turn, latest }, options) }
  })

/** Records read before they are judged: what is read of one turn and what becomes of it need not all be in memory at once. */
const readTogether = 50

const decideTurn = async <N extends EventName>(
  kind: EventKind<N>,
  { task, turn, latest }: { readonly task: Task; readonly turn: Turn; readonly latest: LatestMarks },
  options: DecideOptions,
): Promise<TurnResult> => {
  const { monitors, configuration } = options.monitors()
  const state = openTurnState(task.state)
  const judges = monitorsFor(monitors, kind.name).map((monitor) => openMonitor(monitor, state, latest))
  const counts = openVerdictCounts()
  const append: NewRecord[] = []
  const decideOne = (record: LogRecord, event: Schemas[N]): void => {
    const terms = { at: record, configuration, now: turn.now }
    const verdicts: Verdict[] = []
    for (const { monitor, judge } of judges) {
      if (monitor.concerns?.(event) === false) continue
      const judgement = judge(event)
      const notices = noticesOf(monitor, judgement, terms, () => asWritten(kind.name, record.value))
      const alerts = alertsOf(monitor, judgement)
      for (const notice of notices) append.push(noticeRecord(notice))
      for (const alert of alerts) append.push(alertRecord(alert))
      const verdict = verdictOf(monitor, judgement, { notices, alerts })
      verdicts.push(verdict)
      counts.count(verdict)
    }
    append.push(outcomeRecord(record.key, kind.about(event), verdicts, terms))
  }
  for (let at = 0; at < turn.records.length; at += readTogether) {
    const records = turn.records.slice(at, at + readTogether)
    for (const decoded of await decodeAll<N>(kind.name, records, options, task.lost, kind.skim))
      if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
      else decideOne(decoded.record, decoded.value)
  }
  for (const { memory } of judges) memory.forget(turn.now - 2 * toldBucketMs)
  return { append, put: state.puts(), afterwards: () => counts.tell(options.tell) }
}

const openMonitor = <N extends EventName>(monitor: Monitor<N>, state: TurnState, latest: LatestMarks) => {
  const memory = memoryIn(state, monitor, { latest })
  return { monitor, memory, judge: openJudge(monitor, memory) }
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'decide', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}
