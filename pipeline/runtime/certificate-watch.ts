import type { Tell } from '../../schemas/happenings.ts'
import type { Clock, EpochMs } from '../../schemas/time.ts'

const day = 86_400_000
const warnedFromDays = 30

/** Says each day from tomorrow how long a certificate lasts, from 30 days before its end; opening says it for today. Returns what ends the watch. */
export const watchCertificate = (expiresAt: EpochMs, clock: Clock, tell: Tell): (() => void) => {
  let cancel: () => void
  const look = (): void => {
    const daysLeft = Math.floor((expiresAt - clock.now()) / day)
    if (daysLeft <= warnedFromDays) tell({ name: 'api certificate ends soon', daysLeft })
    lookTomorrow()
  }
  const lookTomorrow = (): void => {
    cancel = clock.at(clock.now() + day, look)
  }
  lookTomorrow()
  return () => cancel()
}
