import { Observable } from 'rxjs'
import type { Clock } from '../../../schemas/time.ts'
import { ConnectorError } from '../../errors.ts'
import { failureOfStatus, logLine } from '../failures.ts'
import { queryDeadlineMs } from '../query-deadline.ts'
import { splitRows } from '../split-rows.ts'
import type { QueryMessage, QueryRequest, Velociraptor } from '../velociraptor.ts'
import { runQuery, type RunningQuery, type ServedQuery } from './run-query.ts'
import { insideOf, standInPrincipal, type StandInWorld } from './world.ts'

export interface InProcessOptions {
  readonly clock: Clock
  /** The user that asks; default: the one of role `api`. */
  readonly principal?: string
}

/** A Velociraptor without a server: the stand-in's evaluator on the given clock. Sends nothing while `query` is subscribed to, only in calls of the clock. */
export interface InProcessVelociraptor extends Velociraptor {
  /** Whether no lookup is under way; an open event stream counts as idle. */
  isIdle(): boolean
}

export const standInVelociraptor = (
  world: StandInWorld,
  { clock, principal = standInPrincipal }: InProcessOptions,
): InProcessVelociraptor => {
  const inside = insideOf(world)
  const busy = new Set<object>()
  const open = new Set<() => void>()
  let closed = false

  const query = (request: QueryRequest): Observable<QueryMessage> =>
    new Observable((subscriber) => {
      if (closed) {
        subscriber.error(closedError())
        return undefined
      }
      const place = { address: 'the stand-in', org: request.org, principal, serverName: 'VelociraptorServer' }
      const key = {}
      let running: RunningQuery | undefined
      busy.add(key)
      const listener = {
        message: ({ log, Response }: { readonly log: string; readonly Response: string }): void => {
          if (log !== '') subscriber.next({ kind: 'log', ...logLine(log) })
          else if (Response !== '[]') subscriber.next({ kind: 'rows', rows: splitRows(Response) })
        },
        end: (status: { readonly code: number; readonly details: string }): void => {
          busy.delete(key)
          if (status.code === 0) subscriber.complete()
          else subscriber.error(failureOfStatus(status, place))
        },
      }
      const abort = clock.at(clock.now(), () => {
        running = runQuery(inside, clock, served(request, principal), listener)
        if (running.isEventStream) busy.delete(key)
        if (subscriber.closed) running.cancel()
      })
      const deadlineMs = queryDeadlineMs(request)
      const forgetDeadline =
        deadlineMs === undefined
          ? undefined
          : clock.at(clock.now() + deadlineMs, () =>
              subscriber.error(failureOfStatus({ code: 4, details: 'Deadline exceeded' }, place)),
            )
      const stop = (): void => subscriber.error(closedError())
      open.add(stop)
      return () => {
        open.delete(stop)
        busy.delete(key)
        abort()
        forgetDeadline?.()
        running?.cancel()
      }
    })

  return {
    query,
    isIdle: () => busy.size === 0,
    close: () => {
      closed = true
      for (const stop of [...open]) stop()
      return Promise.resolve()
    },
  }
}

const closedError = (): ConnectorError => new ConnectorError('CLOSED', 'the connection to Velociraptor was closed')

const served = (
  { org, vql, env = {}, mostRows = 1000, longestWaitS = 1, timeoutS = 0 }: QueryRequest,
  principal: string,
): ServedQuery => ({
  queries: [{ Name: 'relay', VQL: vql }],
  env: Object.entries(env).map(([key, value]) => ({ key, value })),
  maxRow: Math.max(1, Math.floor(mostRows)),
  maxWaitS: Math.max(1, Math.ceil(longestWaitS)),
  timeoutS: Math.ceil(timeoutS),
  org,
  principal,
})
