import type { Clock } from '../../schemas/time.ts'

const longestTimeoutMs = 2 ** 31 - 1

/** The machine's clock. A jump forward makes what is due come within a minute, a jump back never delays it by more than it jumped. */
export const systemClock = (): Clock => ({
  now: () => Date.now(),
  at(at, call) {
    let timer: NodeJS.Timeout
    // setTimeout counts monotonic time and 31 bits only: long waits are taken in steps, compared with the wall clock each time.
    const step = (): void => {
      const left = at - Date.now()
      timer =
        left <= 0
          ? setTimeout(call, 0)
          : setTimeout(left > 60_000 ? step : check, Math.min(left, 60_000, longestTimeoutMs))
    }
    const check = (): void => (Date.now() >= at ? call() : step())
    step()
    return () => clearTimeout(timer)
  },
})
