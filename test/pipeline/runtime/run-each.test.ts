import { NEVER, Observable, of, Subject, throwError } from 'rxjs'
import { beforeEach, describe, expect, it } from 'vitest'
import { runEach } from '../../../pipeline/runtime/run-each.ts'

let lists: Subject<readonly string[]>
let happened: string[]
beforeEach(() => {
  lists = new Subject()
  happened = []
})

const watched = (item: string): Observable<never> =>
  new Observable(() => {
    happened.push(`+${item}`)
    return () => void happened.push(`-${item}`)
  })
const run = (each: (item: string) => Observable<string>) => runEach(lists, (item) => item, each)

describe('running something for each', () => {
  it('begins what is new, ends what is gone, and leaves the rest alone', () => {
    const running = run(watched).subscribe()
    lists.next(['a', 'b'])
    lists.next(['b', 'c'])
    expect(happened).toEqual(['+a', '+b', '-a', '+c'])
    running.unsubscribe()
    expect(happened).toEqual(['+a', '+b', '-a', '+c', '-b', '-c'])
  })

  it('does not begin again what has completed, unless it was gone meanwhile', () => {
    const values: string[] = []
    run((item) => of(item)).subscribe((value) => values.push(value))
    for (const list of [['a'], ['a', 'b'], [], ['a']]) lists.next(list)
    expect(values).toEqual(['a', 'b', 'a'])
  })

  it('ends with the first error, and everything with it', () => {
    const causes: unknown[] = []
    run((item) => (item === 'bad' ? throwError(() => 'why') : watched(item))).subscribe({
      error: (cause) => causes.push(cause),
    })
    lists.next(['a', 'bad', 'c'])
    expect([causes, happened]).toEqual([['why'], ['+a', '-a']])
    runEach(
      throwError(() => 'list'),
      String,
      () => NEVER,
    ).subscribe({ error: (cause) => causes.push(cause) })
    expect(causes).toEqual(['why', 'list'])
  })
})
