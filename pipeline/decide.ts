import { merge, type Observable } from 'rxjs'
import type { EventLog, LogRecord, NewRecord, Task, Turn } from '../connectors/log/event-log.ts'
import type { Judgement } from '../operators/judgement.ts'
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
import { countVerdicts } from './observing/count-verdicts.ts'
import { decodeAll } from './runtime/decoding.ts'
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
  runTopology(options.log, { name: kind.decide, inputs: [kind.topic.name] }, (task) => ({
    turn: (turn) => decideTurn(kind, task, turn, options),
  }))

interface Arrived<N extends EventName> {
  readonly record: LogRecord
  readonly event: Schemas[N]
}

const decideTurn = async <N extends EventName>(
  kind: EventKind<N>,
  task: Task,
  turn: Turn,
  options: DecideOptions,
): Promise<TurnResult> => {
  const { monitors, configuration } = options.monitors()
  const state = openTurnState(task.state)
  const append: NewRecord[] = []
  const arrived: Arrived<N>[] = []
  for (const decoded of await decodeAll<N>(kind.name, turn.records, options, task.lost)) {
    if ('problem' in decoded) append.push(...unreadable(decoded.record, decoded.problem, turn.now))
    else arrived.push({ record: decoded.record, event: decoded.value })
  }
  const verdicts: Verdict[][] = arrived.map(() => [])
  for (const monitor of monitorsFor(monitors, kind.name))
    judgeAll(monitor, arrived, state, turn.now).forEach((judgement, n) => {
      if (judgement === null) return
      const { record } = arrived[n] as Arrived<N>
      const notices = noticesOf(monitor, judgement, { at: record, configuration, now: turn.now })
      const alerts = alertsOf(monitor, judgement)
      append.push(...notices.map(noticeRecord), ...alerts.map(alertRecord))
      verdicts[n]?.push(verdictOf(monitor, judgement, { notices, alerts }))
    })
  arrived.forEach(({ record, event }, n) =>
    append.push(
      outcomeRecord(record.key, kind.about(event), verdicts[n] ?? [], { at: record, configuration, now: turn.now }),
    ),
  )
  return { append, put: state.puts(), afterwards: () => countVerdicts(verdicts, options.tell) }
}

/** Runs the events of a turn through a monitor's chain; null: it is not asked about that one. */
const judgeAll = <N extends EventName>(
  monitor: Monitor<N>,
  arrived: readonly Arrived<N>[],
  state: TurnState,
  now: EpochMs,
): readonly (Judgement<Schemas[N]> | null)[] => {
  const memory = memoryIn(state, monitor)
  const judge = openJudge(monitor, memory)
  const judged = arrived.map(({ event }) => (monitor.concerns?.(event) === false ? null : judge(event)))
  memory.forget(now - 2 * toldBucketMs)
  return judged
}

const unreadable = (record: LogRecord, reason: string, at: EpochMs): readonly NewRecord[] => {
  const { topic, partition, offset, key, value } = record
  return rejection({ stage: 'decide', topic, partition, offset, reason, at, key, bytes: value }, {}, partition)
}
