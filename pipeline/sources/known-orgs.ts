import { concat, defer, distinctUntilChanged, map, type Observable, of, repeat, retry, throwError } from 'rxjs'
import { ConnectorError } from '../../connectors/errors.ts'
import { orgs } from '../../connectors/velociraptor/lookups.ts'
import type { Velociraptor } from '../../connectors/velociraptor/velociraptor.ts'
import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'
import { backoffMs, type Random } from '../runtime/backoff.ts'
import { wait } from '../runtime/wait.ts'

/** Stands for every organisation that the certificate's user may see. */
export const everyOrg = '*'

/** An organisation that is listened to. */
export interface KnownOrg {
  readonly id: string
  /** It was found while running, and was not there before this time of ours, epoch ms; null: it was there from the start. */
  readonly since: EpochMs | null
}

export interface KnownOrgsOptions {
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
}

const lookEveryMs = 60_000
const away = { firstMs: 1000, longestMs: 60_000 }

/**
 * The organisations to listen to, anew whenever they change. Named ones stand; where `*` is named, the server is asked every minute, and an
 * organisation that comes or goes is told. Errors with what the server denies; an outage keeps what is known.
 */
export const knownOrgs = (named: readonly string[], options: KnownOrgsOptions): Observable<readonly KnownOrg[]> => {
  const fixed = named.filter((id) => id !== everyOrg).map((id) => ({ id, since: null }))
  if (fixed.length === named.length) return of(fixed)
  const { velociraptor, clock, random, tell } = options
  const known = new Map<string, KnownOrg>(fixed.map((org) => [org.id, org]))
  let askedAt: EpochMs | null = null
  const take = (visible: ReadonlySet<string>, at: EpochMs): readonly KnownOrg[] => {
    for (const id of visible)
      if (!known.has(id)) {
        known.set(id, { id, since: askedAt })
        if (askedAt !== null) tell({ name: 'organisation found', org: id })
      }
    for (const id of [...known.keys()])
      if (!visible.has(id) && !named.includes(id)) {
        known.delete(id)
        tell({ name: 'organisation gone', org: id })
      }
    askedAt = at
    return [...known.values()]
  }
  const look = defer(async () => {
    const at = clock.now()
    return take(new Set((await orgs(velociraptor)).map(({ id }) => id)), at)
  })
  return concat(
    defer(() => of([...known.values()])),
    look.pipe(repeat({ delay: () => wait(clock, lookEveryMs) })),
  ).pipe(
    retry({
      resetOnSuccess: true,
      delay: (cause: unknown, failures) =>
        cause instanceof ConnectorError && cause.code === 'VELOCIRAPTOR_UNAVAILABLE'
          ? wait(clock, backoffMs(away, failures, random))
          : throwError(() => cause),
    }),
    map((list) => list.toSorted((a, b) => (a.id < b.id ? -1 : 1))),
    distinctUntilChanged((a, b) => idsOf(a) === idsOf(b)),
  )
}

const idsOf = (list: readonly KnownOrg[]): string => list.map(({ id }) => id).join('\n')
