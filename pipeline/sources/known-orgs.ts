import { concat, defer, type Observable, of, repeat, retry, throwError } from 'rxjs'
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

/** The organisations to listen to. */
export interface KnownOrgs {
  readonly orgs: readonly KnownOrg[]
  /** When the server was asked for them, epoch ms; null: it was not. */
  readonly lookedAt: EpochMs | null
}

export interface KnownOrgsOptions {
  readonly velociraptor: Velociraptor
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
}

/** Whether an organisation that nobody named is not there any more. Rejects with ConnectorError. */
export const isGone = async (
  org: string,
  { orgs: named, velociraptor }: { readonly orgs: readonly string[]; readonly velociraptor: Velociraptor },
): Promise<boolean> => !named.includes(org) && !(await orgs(velociraptor)).some(({ id }) => id === org)

const lookEveryMs = 60_000
const away = { firstMs: 1000, longestMs: 60_000 }

/**
 * The organisations to listen to, anew after each look. Named ones stand; where `*` is named, the server is asked every minute, and an
 * organisation that comes or goes is told. Errors with what the server denies; an outage keeps what is known.
 */
export const knownOrgs = (named: readonly string[], options: KnownOrgsOptions): Observable<KnownOrgs> => {
  const fixed = named.filter((id) => id !== everyOrg).map((id) => ({ id, since: null }))
  if (fixed.length === named.length) return of({ orgs: fixed, lookedAt: null })
  const { velociraptor, clock, random, tell } = options
  const known = new Map<string, KnownOrg>(fixed.map((org) => [org.id, org]))
  let askedAt: EpochMs | null = null
  const listed = (): readonly KnownOrg[] => [...known.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const take = (visible: ReadonlySet<string>, at: EpochMs): KnownOrgs => {
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
    return { orgs: listed(), lookedAt: at }
  }
  const look = defer(async () => {
    const at = clock.now()
    return take(new Set((await orgs(velociraptor)).map(({ id }) => id)), at)
  })
  return concat(
    defer(() => of<KnownOrgs>({ orgs: listed(), lookedAt: null })),
    look.pipe(repeat({ delay: () => wait(clock, lookEveryMs) })),
  ).pipe(
    retry({
      resetOnSuccess: true,
      delay: (cause: unknown, failures) =>
        cause instanceof ConnectorError && cause.code === 'VELOCIRAPTOR_UNAVAILABLE'
          ? wait(clock, backoffMs(away, failures, random))
          : throwError(() => cause),
    }),
  )
}
