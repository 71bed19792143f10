import type { Clock, EpochMs } from '../../schemas/time.ts'
import { virtualClock } from '../runtime/virtual-clock.ts'

/** The virtual clock of a scenario, one for everybody; each sees it in a way that tells what is waited for. */
export interface ScenarioClock {
  readonly clock: Clock
  /** A view whose pending calls are counted. */
  view(): WatchedClock
  /** When something next waits; undefined: nothing does. */
  next(): EpochMs | undefined
  advanceTo(at: EpochMs): void
}

/** A view of the clock. */
export interface WatchedClock extends Clock {
  /** Calls that are still to come. */
  pending(): number
  /** How often it was read or asked: while that grows, somebody is at work. */
  uses(): number
}

export const scenarioClock = (start: EpochMs): ScenarioClock => {
  const clock = virtualClock(start)
  const view = (): WatchedClock => {
    let pending = 0
    let uses = 0
    return {
      now: () => {
        uses++
        return clock.now()
      },
      at(at, call) {
        uses++
        pending++
        let isPending = true
        const settled = (): void => {
          if (isPending) pending--
          isPending = false
        }
        const cancel = clock.at(at, () => {
          settled()
          call()
        })
        return () => {
          settled()
          cancel()
        }
      },
      pending: () => pending,
      uses: () => uses,
    }
  }
  return { clock, view, next: clock.next, advanceTo: clock.advanceTo }
}
