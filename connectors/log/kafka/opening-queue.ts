import { mergeMap, Subject } from 'rxjs'
import { setTimeout } from 'node:timers/promises'

/** Does something when its turn has come; resolves, or rejects, as that does. */
export type OpeningQueue = (work: () => Promise<void>) => Promise<void>

/** At a time. More only take longer each, and their partitions stand still for so long. */
const mostAtOnce = 2
/** One that takes longer holds up no others. */
const mostHeldUpMs = 2000

/** Opens the queue in which a process takes over what others are at work on, for all topologies. */
export const openOpeningQueue = (): OpeningQueue => {
  const waiting = new Subject<() => Promise<unknown>>()
  waiting.pipe(mergeMap((begin) => begin(), mostAtOnce)).subscribe()
  return (work) =>
    new Promise((resolve, reject) => {
      waiting.next(() => {
        const working = work().then(resolve, reject)
        return Promise.race([working, setTimeout(mostHeldUpMs, undefined, { ref: false })])
      })
    })
}
