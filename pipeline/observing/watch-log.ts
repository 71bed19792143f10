import { map } from 'rxjs'
import type { EventLog, Task, Turn } from '../../connectors/log/event-log.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'

/** One input of one task. */
export interface Lane {
  readonly stage: string
  readonly topic: string
  readonly partition: number
}

/** What is learnt of a log by watching its tasks. */
export interface LogWatch {
  /** The same log, watched. */
  readonly log: EventLog
  /** How long the oldest record that a task has in hand has waited, ms; 0: it has none in hand. Lanes of lost tasks are left out. */
  lags(): readonly (Lane & { readonly lagMs: number })[]
  /** Tasks held now, by topology. */
  held(): ReadonlyMap<string, number>
}

export interface LogWatchOptions {
  readonly log: EventLog
  readonly clock: Clock
  /** Records whose turn was committed. */
  readonly onDone: (lane: Lane, records: number) => void
  readonly onLost: (stage: string, partition: number) => void
}

/** Between two turns of a task that has more to do lies no more. */
const restMs = 1000

interface LaneState extends Lane {
  /** Append time of the oldest record in hand; null: none. */
  oldest: EpochMs | null
  /** How long records had waited at the end of the last turn, and when that was. */
  last: { readonly lagMs: number; readonly at: EpochMs }
}

/** Watches the tasks of a log: what they have in hand, for how long, and how much they get done. */
export const watchLog = ({ log, clock, onDone, onLost }: LogWatchOptions): LogWatch => {
  const tasks = new Map<Task, Map<string, LaneState>>()

  const laneOf = (task: Task, topic: string): LaneState => {
    const lanes = tasks.get(task) ?? new Map<string, LaneState>()
    const lane = lanes.get(topic) ?? {
      stage: task.topology,
      topic,
      partition: task.partition,
      oldest: null,
      last: { lagMs: 0, at: 0 },
    }
    if (!task.lost.aborted) tasks.set(task, lanes.set(topic, lane))
    return lane
  }

  const watchedTurn = (task: Task, turn: Turn): Turn => {
    const inHand: { readonly lane: LaneState; readonly count: number }[] = []
    for (const [topic, records] of Map.groupBy(turn.records, (record) => record.topic)) {
      const lane = laneOf(task, topic)
      lane.oldest = records[0]?.timestamp ?? null
      inHand.push({ lane, count: records.length })
    }
    return {
      ...turn,
      commit: async (step) => {
        await turn.commit(step)
        const at = clock.now()
        for (const { lane, count } of inHand) {
          lane.last = { lagMs: at - (lane.oldest ?? at), at }
          lane.oldest = null
          onDone(lane, count)
        }
      },
    }
  }

  const watchedTask = (task: Task, inputs: readonly string[]): Task => {
    if (task.lost.aborted) return task
    for (const topic of inputs) laneOf(task, topic)
    if (inputs.length === 0) tasks.set(task, new Map())
    const leave = (): void => {
      tasks.delete(task)
      onLost(task.topology, task.partition)
    }
    task.lost.addEventListener('abort', leave, { once: true })
    return { ...task, turns: task.turns.pipe(map((turn) => watchedTurn(task, turn))) }
  }

  const lagOf = ({ oldest, last }: LaneState, now: EpochMs): number => {
    if (oldest !== null) return Math.max(0, now - oldest)
    return now - last.at < restMs ? Math.max(0, last.lagMs) : 0
  }

  return {
    log: {
      ...log,
      tasks: (topology) => log.tasks(topology).pipe(map((task) => watchedTask(task, topology.inputs))),
    },
    lags: () => {
      const now = clock.now()
      return [...tasks.values()].flatMap((lanes) =>
        [...lanes.values()].map((lane) => ({
          stage: lane.stage,
          topic: lane.topic,
          partition: lane.partition,
          lagMs: lagOf(lane, now),
        })),
      )
    },
    held: () => {
      const counts = new Map<string, number>()
      for (const { topology } of tasks.keys()) counts.set(topology, (counts.get(topology) ?? 0) + 1)
      return counts
    },
  }
}
