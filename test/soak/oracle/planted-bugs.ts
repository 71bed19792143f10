import { map } from 'rxjs'
import type { Commit, EventLog, NewRecord, StateKey, Task, TaskState, Turn } from '../../../connectors/log/event-log.ts'
import { decode } from '../../../schemas/codec.ts'
import { topics } from '../../../schemas/topics.ts'

/** Breaks a log as an adapter could be broken, for tests of the oracle itself. */
export type PlantedBug = (log: EventLog) => EventLog

const withTasks = (log: EventLog, change: (task: Task) => Task): EventLog => ({
  ...log,
  tasks: (topology) => log.tasks(topology).pipe(map((task) => (task.topology === 'deliver' ? change(task) : task))),
})

const isFirstAcceptance = ({ topic, value }: NewRecord): boolean => {
  if (topic !== topics.receipts.name) return false
  const { kind, attempt } = decode('Receipt', value)
  return kind === 'accepted' && attempt === 1
}

/** The receipt of a letter that the mail server took at once is acknowledged, and not kept. */
export const receiptsDropped: PlantedBug = (log) => ({
  ...log,
  append: (records) => log.append(records.filter((record) => !isFirstAcceptance(record))),
})

/** Whoever gets a partition is told that nobody else is alive: claims are not waited for. */
export const othersBelievedDead: PlantedBug = (log) => withTasks(log, (task) => ({ ...task, othersAreDead: true }))

/** What a turn puts is seen at once, and written down with the next commit only. */
export const stateOneCommitLate: PlantedBug = (log) =>
  withTasks(log, (task) => {
    let late: Commit['put'] = []
    const overlay = new Map<StateKey, Uint8Array | null>()
    const state: TaskState = {
      get: (key) => (overlay.has(key) ? (overlay.get(key) ?? undefined) : task.state.get(key)),
      *range(from, to) {
        const merged = new Map(task.state.range(from, to))
        for (const [key, value] of overlay)
          if (key >= from && key < to) {
            if (value === null) merged.delete(key)
            else merged.set(key, value)
          }
        yield* [...merged].toSorted(([a], [b]) => (a < b ? -1 : 1))
      },
    }
    const commitLate =
      (turn: Turn): Turn['commit'] =>
      async ({ append, put }) => {
        await turn.commit({ append, put: late })
        overlay.clear()
        late = put
        for (const [key, value] of put) overlay.set(key, value)
      }
    return {
      ...task,
      state,
      turns: task.turns.pipe(map((turn) => ({ ...turn, commit: commitLate(turn) }))),
    }
  })

/** Those that show in any weather, by their names on a command line. */
export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  'receipts-dropped': receiptsDropped,
  'state-late': stateOneCommitLate,
}
