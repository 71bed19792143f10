import {
  catchError,
  concatMap,
  EMPTY,
  firstValueFrom,
  from,
  fromEvent,
  ignoreElements,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  type ObservableInput,
  takeUntil,
  throwError,
} from 'rxjs'
import type { Commit, EventLog, Task, Topology, Turn } from '../../connectors/log/event-log.ts'

/** What a turn comes to: one commit, and what follows outside once it stands. */
export interface TurnResult extends Commit {
  readonly afterwards?: () => void
  /** Called in its place when the commit does not stand. */
  readonly otherwise?: () => void
}

/** The work of one task from its opening to its loss. */
export interface TaskWork {
  /** Exactly one result a turn. */
  readonly turn: (turn: Turn) => ObservableInput<TurnResult>
  /** What runs beside the turns until the task is lost; its error ends the topology. */
  readonly beside?: Observable<never>
}

/** One turn to its end. What follows its commit follows also when nobody listens any more: the commit may stand. */
const finish = async (turn: Turn, work: TaskWork): Promise<void> => {
  const { append, put, afterwards, otherwise } = await firstValueFrom(from(work.turn(turn)))
  try {
    await turn.commit({ append, put })
  } catch (cause) {
    otherwise?.()
    throw cause
  }
  afterwards?.()
}

const turnsOf = (task: Task, work: TaskWork): Observable<never> =>
  task.turns.pipe(
    concatMap((turn) =>
      from(finish(turn, work)).pipe(
        ignoreElements(),
        // A refused commit ended the task, and what a lost task could not finish is void: the log opens the partition again.
        catchError((cause: unknown) => (task.lost.aborted ? EMPTY : throwError(() => cause))),
      ),
    ),
  )

/** null: the task was lost while it was opened, as by a state that cannot be read now. The log opens it again. */
const openUnlessLost = (task: Task, open: (task: Task) => TaskWork): TaskWork | null => {
  try {
    return open(task)
  } catch (cause) {
    if (task.lost.aborted) return null
    throw cause
  }
}

/** Runs a topology's tasks for as long as it is subscribed. Errors with what ended it: a defect, or what a connector denied. */
export const runTopology = (log: EventLog, topology: Topology, open: (task: Task) => TaskWork): Observable<never> =>
  log.tasks(topology).pipe(
    mergeMap((task) => {
      const work = openUnlessLost(task, open)
      if (work === null) return EMPTY
      const lost = task.lost.aborted ? EMPTY : fromEvent(task.lost, 'abort')
      const beside = (work.beside ?? NEVER).pipe(takeUntil(lost))
      return merge(turnsOf(task, work), task.lost.aborted ? EMPTY : beside)
    }),
  )
