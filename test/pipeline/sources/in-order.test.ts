import fc from 'fast-check'
import { concat, firstValueFrom, from, lastValueFrom, NEVER, throwError, toArray } from 'rxjs'
import { expect, it } from 'vitest'
import { inOrder } from '../../../pipeline/sources/in-order.ts'

interface Item {
  readonly at: number
  readonly n: number
}
const ordered = (items: readonly Item[], most = { items: 1000, size: 1000 }): Promise<readonly Item[]> =>
  lastValueFrom(
    from(items).pipe(
      inOrder(
        ({ at }) => at,
        () => 1,
        most,
      ),
      toArray(),
    ),
  )

it('items come in the order of their times, equal ones as they came, none lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: 9 })), async (times) => {
      const items = times.map((at, n) => ({ at, n }))
      expect(await ordered(items)).toEqual(items.toSorted((a, b) => a.at - b.at || a.n - b.n))
    }),
  )
})

it('what is more than may be held goes in pieces, each in order', async () => {
  const items = [5, 3, 4, 1, 2].map((at, n) => ({ at, n }))
  const times = async (most: { readonly items: number; readonly size: number }): Promise<readonly number[]> =>
    (await ordered(items, most)).map(({ at }) => at)
  expect(await times({ items: 3, size: 100 })).toEqual([3, 4, 5, 1, 2])
  expect(await times({ items: 100, size: 2 })).toEqual([3, 5, 1, 4, 2])
})

it('nothing comes of a stream that fails, and nothing before it ends', async () => {
  const order = inOrder(
    (at: number) => at,
    () => 1,
    { items: 10, size: 10 },
  )
  await expect(
    firstValueFrom(
      concat(
        from([1]),
        throwError(() => new Error('cut')),
      ).pipe(order),
    ),
  ).rejects.toThrow('cut')
  const come: number[] = []
  concat(from([1]), NEVER)
    .pipe(order)
    .subscribe((at) => come.push(at))
    .unsubscribe()
  expect(come).toEqual([])
})
