import fc from 'fast-check'
import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { alone, batch, type BatchRule, type Placed } from '../../operators/batch.ts'
import type { Gathering } from '../../schemas/generated.ts'
import { marbles } from './marbles.ts'
import { openStore } from './state-store.ts'

interface Item {
  readonly id: string
  readonly to: string
  readonly now: number
}
const item = (id: string, now: number, to = 'soc'): Item => ({ id, now, to })
const placing = (rule: BatchRule) =>
  batch(openStore<Gathering>(), { idOf: ({ id }: Item) => id, keyOf: ({ to }) => to, ruleOf: () => rule })
const placed = (rule: BatchRule, ...items: readonly Item[]): readonly Placed<Item>[] => {
  const seen: Placed<Item>[] = []
  from(items)
    .pipe(placing(rule))
    .subscribe((one) => seen.push(one))
  return seen
}
/** `batch×count, due` of each item. */
const shown = (rule: BatchRule, ...items: readonly Item[]): readonly string[] =>
  placed(rule, ...items).map(({ batch: of, count, dueAt }) => `${of}×${count}, ${dueAt}`)

const rule: BatchRule = { quietMs: 30, longestMs: 100, most: 5, firstAtOnce: false, spacingMs: 0 }

describe('batch', () => {
  it(
    'places every item at once',
    marbles(({ hot, expectObservable }) => {
      const a = item('a', 0)
      const source = hot('  -a-|', { a })
      const expected = '    -x-|'
      expectObservable(source.pipe(placing(rule))).toBe(expected, { x: { item: a, batch: 'a', dueAt: 30, count: 1 } })
    }),
  )

  it(
    'fails when its source fails',
    marbles(({ hot, expectObservable }) => {
      const source = hot<Item>('  ---#', {}, new Error('away'))
      const expected = '          ---#'
      expectObservable(source.pipe(placing(rule))).toBe(expected, {}, new Error('away'))
    }),
  )

  it('lets a batch go once nothing has joined it for the quiet time', () => {
    expect(shown(rule, item('a', 0), item('b', 29), item('c', 58), item('d', 88))).toEqual([
      'a×1, 30',
      'a×2, 59',
      'a×3, 88',
      'd×1, 118',
    ])
  })

  it('lets a batch go once it has been open for the longest time', () => {
    expect(shown({ ...rule, quietMs: 60 }, item('a', 0), item('b', 50), item('c', 99), item('d', 100))).toEqual([
      'a×1, 60',
      'a×2, 100',
      'a×3, 100',
      'd×1, 160',
    ])
  })

  it('lets a batch go at once when it is full', () => {
    expect(shown({ ...rule, most: 2 }, item('a', 0), item('b', 1), item('c', 2))).toEqual([
      'a×1, 30',
      'a×2, 1',
      'c×1, 32',
    ])
  })

  it('keeps recipients apart', () => {
    expect(shown(rule, item('a', 0), item('b', 1, 'ann'), item('c', 2))).toEqual(['a×1, 30', 'b×1, 31', 'a×2, 32'])
  })

  it('lets the first after a quiet time go at once, and gathers what follows it', () => {
    const eager = { ...rule, firstAtOnce: true }
    expect(shown(eager, item('a', 0), item('b', 1), item('c', 2), item('d', 40))).toEqual([
      'a×1, 0',
      'b×1, 31',
      'b×2, 32',
      'd×1, 40',
    ])
  })

  it('keeps batches of one recipient apart by the spacing', () => {
    expect(shown({ ...alone, spacingMs: 60 }, item('a', 0), item('b', 1))[1]).toBe('b×1, 60')
  })

  it('gathers nothing where everything goes alone', () => {
    expect(shown(alone, item('a', 5), item('b', 5))).toEqual(['a×1, 5', 'b×1, 5'])
  })

  it('keeps its bounds whatever comes when: no batch is too full, none waits too long', () => {
    const gaps = fc.array(fc.nat(80), { maxLength: 30 })
    const rules = fc.record({
      quietMs: fc.nat(60),
      longestMs: fc.integer({ min: 60, max: 200 }),
      most: fc.integer({ min: 1, max: 6 }),
      firstAtOnce: fc.boolean(),
      spacingMs: fc.constant(0),
    })
    fc.assert(
      fc.property(rules, gaps, (given, between) => {
        let now = 0
        const items = between.map((gap, n) => item(`i${n}`, (now += gap)))
        const opened = new Map(items.map(({ id, now: at }) => [id, at]))
        const all = placed(given, ...items)
        expect(all.map((one) => one.item)).toEqual(items)
        for (const one of all) {
          expect(one.count).toBeLessThanOrEqual(given.most)
          expect(one.dueAt).toBeGreaterThanOrEqual(one.item.now)
          expect(one.dueAt).toBeLessThanOrEqual((opened.get(one.batch) ?? 0) + given.longestMs)
        }
      }),
    )
  })
})
