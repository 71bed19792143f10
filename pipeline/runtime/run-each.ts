import { Observable, type Subscription } from 'rxjs'

/**
 * Runs something for each item of the latest list. What is in the next list too goes on undisturbed, told by its key; what is not is
 * unsubscribed. One that completes is not begun again while it stays in the list; an error ends all. Never completes.
 */
export const runEach = <T, R>(
  lists: Observable<readonly T[]>,
  keyOf: (item: T) => string,
  run: (item: T) => Observable<R>,
): Observable<R> =>
  new Observable<R>((subscriber) => {
    const running = new Map<string, Subscription>()
    const follow = (items: readonly T[]): void => {
      const wanted = new Map(items.map((item) => [keyOf(item), item]))
      for (const [key, subscription] of running)
        if (!wanted.has(key)) {
          running.delete(key)
          subscription.unsubscribe()
        }
      for (const [key, item] of wanted)
        if (!running.has(key) && !subscriber.closed)
          running.set(
            key,
            run(item).subscribe({
              next: (value) => subscriber.next(value),
              error: (cause: unknown) => subscriber.error(cause),
            }),
          )
    }
    subscriber.add(() => {
      for (const subscription of running.values()) subscription.unsubscribe()
    })
    subscriber.add(lists.subscribe({ next: follow, error: (cause: unknown) => subscriber.error(cause) }))
  })
