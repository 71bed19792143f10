import { concat, concatMap, defer, filter, from, ignoreElements, map, mergeMap, Observable, of, toArray } from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
import type { LogLine } from '../../connectors/velociraptor/failures.ts'
import {
  clientsHistoryQuery,
  seenClientsQuery,
  serverHistoryQuery,
} from '../../connectors/velociraptor/history-query.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { PreparedQuery } from '../../connectors/velociraptor/watch-query.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import type { AtMost } from '../runtime/at-most.ts'
import type { QueueSource } from './queue-source.ts'

export interface HistoryReading {
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly org: string
  readonly source: Pick<QueueSource, 'queue' | 'isPerClient'>
  readonly from: EpochMs
  /** Every query waits for its turn among those of the whole process. */
  readonly atMost: AtMost
  /** Emits once when more rows may come, and completes. */
  readonly room: Observable<unknown>
  /** How much has been read, 0 to 1; not told where it cannot be known. */
  readonly readSoFar: (part: number) => void
  /** Why a query that ended well has failed, by its log; null: it has not. */
  readonly failureIn: (log: readonly LogLine[], vql: string) => ConnectorError | null
}

/** Independent of outages: how often the latest hour is read again, for what the server lost on its way to us. */
export const reconcileEveryMs = 15 * 60_000
/** Flows are looked through less often: the server loads each of them. */
export const sweepEveryMs = 60 * 60_000
/** One query looks at so many clients: it ends soon, and what it brings can be held. */
const clientsAtOnce = 100
/** The server ends a reading of history after that; the next one goes on from the cursor. */
const historyTimeoutS = 3600
/** A reading that says nothing for that long hangs: the server looks through a hundred clients in less. */
const historySilenceMs = 5 * 60_000

/** Queries an hour while queues are in sync: those that read again, the histories of clients that they look at, and looks through flows. */
export const loadOf = (
  sources: readonly Pick<QueueSource, 'isPerClient' | 'endsFlows' | 'isLiveOnly'>[],
  clients: number,
): { readonly reread: number; readonly byClient: number; readonly sweeps: number } => {
  const anHour = 3_600_000 / reconcileEveryMs
  const stored = sources.filter(({ isLiveOnly }) => !isLiveOnly)
  const perClient = stored.filter(({ isPerClient }) => isPerClient).length
  const queries = perClient * (1 + Math.ceil((clients + 1) / clientsAtOnce)) + stored.length - perClient
  return {
    reread: anHour * queries,
    byClient: anHour * perClient * (clients + 1),
    sweeps: sources.some(({ endsFlows }) => endsFlows) ? 3_600_000 / sweepEveryMs : 0,
  }
}

/**
 * The stored rows of a queue, as the JSON text of each, in the order of their storing (of each client). What is kept by client is read a
 * hundred clients at a time, and no faster than there is room: the server waits for nobody. Errors with ConnectorError.
 */
export const readHistory = (reading: HistoryReading): Observable<readonly string[]> => {
  const { source, from: fromMs, atMost, room, readSoFar } = reading
  const { queue } = source
  const ask = (query: PreparedQuery): Observable<readonly string[]> => atMost(rowsOf(query, reading))
  if (!source.isPerClient) return ask(serverHistoryQuery({ queue, fromMs }))
  return ask(seenClientsQuery({ fromMs })).pipe(
    mergeMap((rows) => rows),
    map((json) => (JSON.parse(json) as { readonly client_id: unknown }).client_id),
    filter((id) => typeof id === 'string' && id !== 'server'),
    toArray(),
    mergeMap((ids) => {
      // Under `server` are its own rows, and those of every client before 0.76.4.
      const slices = [...slicesOf(['server', ...(ids as readonly string[])])]
      return from(slices).pipe(
        concatMap((clients, n) => {
          const read = ask(clientsHistoryQuery({ queue, fromMs, clients }))
          const done = defer(() => of(readSoFar((n + 1) / slices.length))).pipe(ignoreElements())
          return concat(room.pipe(ignoreElements()), read, done)
        }),
      )
    }),
  )
}

/** Clients, as many at a time as one query looks at. */
export const slicesOf = function* <C>(clients: readonly C[]): Generator<readonly C[]> {
  for (let at = 0; at < clients.length; at += clientsAtOnce) yield clients.slice(at, at + clientsAtOnce)
}

/** What a query of stored rows needs. */
export type RowReading = Pick<HistoryReading, 'velociraptor' | 'clock' | 'org' | 'source' | 'failureIn'> & {
  /** How long it may say nothing, ms; left out: 5 minutes. */
  readonly silenceMs?: number
  /** After so long the server ends it, s; left out: an hour. */
  readonly timeoutS?: number
}

/** The rows of a query that ends, as the JSON text of each. Errors with ConnectorError. */
export const rowsOf = (
  { vql, env }: PreparedQuery,
  { velociraptor, clock, org, source, failureIn, silenceMs = historySilenceMs, timeoutS = historyTimeoutS }: RowReading,
): Observable<readonly string[]> =>
  new Observable((subscriber) => {
    const log: LogLine[] = []
    let cancelSilence = (): void => undefined
    const heard = (): void => {
      cancelSilence()
      cancelSilence = clock.at(clock.now() + silenceMs, () =>
        subscriber.error(
          new ConnectorError(
            'VELOCIRAPTOR_UNAVAILABLE',
            `the history of ${source.queue} in org ${org} has been silent for ${silenceMs} ms`,
          ),
        ),
      )
    }
    heard()
    subscriber.add(() => cancelSilence())
    subscriber.add(
      velociraptor.query({ org, vql, env, timeoutS }).subscribe({
        next(message) {
          heard()
          if (message.kind === 'log') log.push(message)
          else subscriber.next(message.rows)
        },
        error: (cause: unknown) => subscriber.error(cause),
        complete: () => {
          const failure = failureIn(log, vql)
          if (failure === null) subscriber.complete()
          else subscriber.error(failure)
        },
      }),
    )
  })
