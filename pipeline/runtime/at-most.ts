import { Observable, type Subscription } from 'rxjs'

/** Lets so much work run at a time; what is more waits for its turn, in order. */
export type AtMost = <T>(work: Observable<T>) => Observable<T>

/** A gate for `most` works at a time, whoever asks. Who unsubscribes while waiting gives up the place. */
export const openAtMost = (most: number): AtMost => {
  let running = 0
  const waiting: (() => void)[] = []
  const next = (): void => {
    if (running < most) waiting.shift()?.()
  }
  return (work) =>
    new Observable((subscriber) => {
      let begun: Subscription | null = null
      const begin = (): void => {
        running++
        begun = work.subscribe(subscriber)
      }
      waiting.push(begin)
      next()
      return () => {
        const at = waiting.indexOf(begin)
        if (at >= 0) return void waiting.splice(at, 1)
        begun?.unsubscribe()
        running--
        next()
      }
    })
}
