import { Observable } from 'rxjs'
import type { Clock } from '../../schemas/time.ts'

/** Emits once and completes after `ms` by the clock. */
export const wait = (clock: Clock, ms: number): Observable<0> =>
  new Observable((subscriber) =>
    clock.at(clock.now() + ms, () => {
      subscriber.next(0)
      subscriber.complete()
    }),
  )
