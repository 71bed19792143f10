import { firstValueFrom, fromEvent, Observable, raceWith } from 'rxjs'
import type { Clock } from '../../schemas/time.ts'

/** Emits once and completes after `ms` by the clock. */
export const wait = (clock: Clock, ms: number): Observable<0> =>
  new Observable((subscriber) =>
    clock.at(clock.now() + ms, () => {
      subscriber.next(0)
      subscriber.complete()
    }),
  )

/** Resolves after `ms` by the clock; rejects with the signal's reason as soon as that is aborted. */
export const waitUnlessLost = async (clock: Clock, ms: number, lost: AbortSignal): Promise<void> => {
  lost.throwIfAborted()
  await firstValueFrom(wait(clock, ms).pipe(raceWith(fromEvent(lost, 'abort'))))
  lost.throwIfAborted()
}
