import { Observable, of, Subject, throwError } from 'rxjs'
import { expect, it } from 'vitest'
import { openAtMost } from '../../../pipeline/runtime/at-most.ts'

it('lets two run at a time, and the next in order when one ends, fails or is given up', () => {
  const atMost = openAtMost(2)
  const begun: string[] = []
  const run = (name: string): { readonly end: Subject<never>; readonly stop: () => void } => {
    const end = new Subject<never>()
    const work = new Observable<never>((subscriber) => {
      begun.push(name)
      return end.subscribe(subscriber)
    })
    const subscription = atMost(work).subscribe({ error: () => undefined })
    return { end, stop: () => subscription.unsubscribe() }
  }
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(run)
  expect(begun).toEqual(['a', 'b'])
  a?.end.complete()
  expect(begun).toEqual(['a', 'b', 'c'])
  d?.stop()
  b?.end.error('why')
  expect(begun).toEqual(['a', 'b', 'c', 'e'])
  c?.stop()
  e?.stop()
  run('f')
  expect(begun).toEqual(['a', 'b', 'c', 'e', 'f'])
})

it('keeps no place for work that ends at once', () => {
  const atMost = openAtMost(1)
  const values: number[] = []
  for (const n of [1, 2, 3]) atMost(of(n)).subscribe((value) => values.push(value))
  atMost(throwError(() => 'why')).subscribe({ error: () => values.push(4) })
  atMost(of(5)).subscribe((value) => values.push(value))
  expect(values).toEqual([1, 2, 3, 4, 5])
})
