import { catchError, defer, mergeMap, type MonoTypeOperatorFunction, of, retry, tap, throwError } from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import { backoffMs, type Random } from '../runtime/backoff.ts'
import { wait } from '../runtime/wait.ts'
import { isGone } from './known-orgs.ts'
import type { QueueSource } from './queue-source.ts'
import type { Arrival } from './subscription.ts'

interface Read {
  readonly org: string
  readonly sources: readonly QueueSource[]
}

interface ReconnectOptions {
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
}

/** A server that comes back is listened to within seconds, however long it was away. */
const reconnect = { firstMs: 1000, longestMs: 6000 }
/** What the server answers but has not got yet is asked for less often. */
const lookAgain = { firstMs: 1000, longestMs: 60_000 }

/** Whether a stream ended because the server has not got its queue, which may come. */
export const isOfMissing = (cause: unknown): boolean =>
  cause instanceof ConnectorError && cause.cause instanceof ConnectorError

const isUnavailable = (cause: unknown): boolean =>
  cause instanceof ConnectorError && cause.code === 'VELOCIRAPTOR_UNAVAILABLE'

/** Begins anew after an outage, with growing jittered waits; says its begin and its end once. */
export const reconnecting =
  ({ org, sources }: Read, { clock, random, tell }: ReconnectOptions): MonoTypeOperatorFunction<Arrival> =>
  (arrivals) => {
    let failures = 0
    let awaySince: EpochMs | null = null
    let isInSync = false
    const queues = sources.map(({ queue }) => queue).join(', ')
    return arrivals.pipe(
      tap((arrival) => {
        if (arrival.kind !== 'row' && arrival.isInSync) {
          if (!isInSync) tell({ name: 'source in sync', org, queues })
          isInSync = true
          for (const { queue } of sources) tell({ name: 'queue in sync', org, queue, at: arrival.at })
        }
        if (arrival.kind !== 'beat') return
        if (awaySince !== null)
          tell({ name: 'source back', org, queues, away_ms: clock.now() - awaySince, tries: failures })
        awaySince = null
        failures = 0
      }),
      retry({
        delay: (cause: unknown) => {
          if (!(cause instanceof ConnectorError) || !isUnavailable(cause)) return throwError(() => cause)
          failures += 1
          isInSync = false
          // The server is there, and refuses these queues.
          const isAnswered = isOfMissing(cause)
          if (awaySince === null)
            tell({ name: 'source away', org, queues, reason: cause.message, ...(isAnswered ? { answered: true } : {}) })
          awaySince ??= clock.now()
          return wait(clock, backoffMs(isAnswered ? lookAgain : reconnect, failures, random))
        },
      }),
    )
  }

/** An organisation that nobody named may go. Its streams are tried again until the next look for organisations ends them: it may have come back. */
export const unlessGone =
  (
    org: string,
    options: { readonly orgs: readonly string[]; readonly velociraptor: Velociraptor; readonly clock: Clock },
  ): MonoTypeOperatorFunction<Arrival> =>
  (arrivals) =>
    arrivals.pipe(
      retry({
        delay: (cause: unknown) =>
          defer(() => isGone(org, options)).pipe(
            catchError((other: unknown) => of(isUnavailable(other))),
            mergeMap((gone) => (gone ? wait(options.clock, reconnect.longestMs) : throwError(() => cause))),
          ),
      }),
    )
