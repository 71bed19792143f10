import type { Clock } from '../../schemas/time.ts'

/** How fast something happens. */
export interface Pace {
  /** It has happened once more. */
  note(): void
  /** How often it is to be expected in so many ms, as far as the last of them tell. */
  in(ms: number): number
}

/** Shorter spans say little. */
const spanMs = 250
/** After a pause of so long nothing is known. */
const freshMs = 1000

/** Counts from span to span; knows nothing before the first one is over. */
export const openPace = (clock: Clock): Pace => {
  let perMs = 0
  let count = 0
  let from = -Infinity
  const isFresh = (): boolean => Math.abs(clock.now() - from) < freshMs
  const begin = (pace: number): void => {
    perMs = pace
    count = 0
    from = clock.now()
  }
  return {
    note() {
      if (!isFresh()) return begin(0)
      count++
      const ms = clock.now() - from
      if (ms >= spanMs) begin(count / ms)
    },
    in: (ms) => (isFresh() ? perMs * ms : 0),
  }
}
