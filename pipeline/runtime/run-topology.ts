import {
  catchError, concatMap, EMPTY, from, fromEvent, ignoreElements, merge, mergeMap, NEVER, type Observable, type ObservableInput,
  takeUntil, tap, throwError,
} from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
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

const endingCodes = new Set(['CLOSED', 'LOG_UNAVAILABLE', 'LOG_REFUSED'])
const endsOnlyTask = (cause: unknown): boolean => cause instanceof ConnectorError && endingCodes.has(cause.code)

const commitOf = (turn: Turn, task: Task, result: TurnResult): Observable<never> =>
  from(turn.commit({ append: result.append, put: result.put })).pipe(
    tap({ next: () => result.afterwards?.(), error: () => result.otherwise?.() }),
    ignoreElements(),
    // A refused commit ended the task; the log opens the partition again and the work is done anew.
    catchError((cause: unknown) => (endsOnlyTask(cause) || task.lost.aborted ? EMPTY : throwError(() => cause))),
  )

const turnsOf = (task: Task, work: TaskWork): Observable<never> =>
  task.turns.pipe(
    concatMap((turn) =>
      from(work.turn(turn)).pipe(
        concatMap((result) => commitOf(turn, task, result)),
        // What a step could not finish because its task was lost is void with it.
        catchError((cause: unknown) => (task.lost.aborted ? EMPTY : throwError(() => cause))),
      ),
    ),
  )

/** Runs a topology's tasks for as long as it is subscribed. Errors with what ended it: a defect, or what a connector denied. */
export const runTopology = (log: EventLog, topology: Topology, open: (task: Task) => TaskWork): Observable<never> =>
  log.tasks(topology).pipe(
    mergeMap((task) => {
      const work = open(task)
      const lost = task.lost.aborted ? EMPTY : fromEvent(task.lost, 'abort')
      const beside = (work.beside ?? NEVER).pipe(takeUntil(lost))
      return merge(turnsOf(task, work), task.lost.aborted ? EMPTY : beside)
    }),
  )
