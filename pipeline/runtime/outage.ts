import { ConnectorError } from '../../connectors/errors.ts'
import type { Happening, Tell } from '../../schemas/happenings.ts'
import type { Clock } from '../../schemas/time.ts'
import { type Backoff, backoffMs, type Random } from './backoff.ts'
import { waitUnlessLost } from './wait.ts'

export interface OutagePolicy {
  readonly clock: Clock
  readonly random: Random
  readonly tell: Tell
  readonly waits: Backoff
  /** Said at its begin, with the reason. */
  readonly began: (reason: string) => Happening
  /** Said at its end. */
  readonly ended: (awayMs: number, tries: number) => Happening
}

/** Does it until it succeeds, for as long as what it needs is UNAVAILABLE; every other error is thrown at once, and `lost` ends the waiting. */
export const throughOutages = async <T>(
  what: () => Promise<T>,
  lost: AbortSignal,
  policy: OutagePolicy,
): Promise<T> => {
  const { clock, random, tell, waits } = policy
  const start = clock.now()
  for (let failures = 0; ;) {
    try {
      const result = await what()
      if (failures > 0) tell(policy.ended(clock.now() - start, failures))
      return result
    } catch (cause) {
      if (!(cause instanceof ConnectorError) || !cause.code.endsWith('_UNAVAILABLE')) throw cause
      failures += 1
      if (failures === 1) tell(policy.began(cause.message))
      await waitUnlessLost(clock, backoffMs(waits, failures, random), lost)
    }
  }
}
