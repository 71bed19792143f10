import type { Origin } from '../../schemas/generated.ts'
import type { EpochMs } from '../../schemas/time.ts'
import { relativeTime } from './amounts.ts'

const LATE = 5 * 60_000

interface Told {
  readonly origin: Origin
  /** Epoch ms by the event. */
  readonly happenedAt: EpochMs
  /** Epoch ms at which it was decided to tell it. */
  readonly noticedAt: EpochMs
}

/** Why word of an event comes late, in whole sentences; none when it does not. */
export function lateness({ origin, happenedAt, noticedAt }: Told, now: EpochMs): readonly string[] {
  const known = happenedAt >= 1_000 && now - happenedAt >= 1_000
  const happened = known ? `It happened ${relativeTime(happenedAt, now)}` : 'It happened'
  if (origin === 'sweep')
    return [known ? `${happened}; the server sent no event for it.` : 'The server sent no event for it.']
  if (origin === 'history') return [`${happened}${known ? ',' : ''} while the relay was away.`]
  if (origin === 'repair')
    return [known ? `${happened}; it was missing in the event stream.` : 'It was missing in the event stream.']
  return known && noticedAt - happenedAt > LATE ? [`${happened}; word of it came late.`] : []
}
