import fc from 'fast-check'
import { from, share, Subject } from 'rxjs'
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
    'keeps the order of items that come together',
    marbles(({ cold, expectObservable }) => {
      const [a, b] = [item('a', 0), item('b', 0)]
      const source = cold(' (ab|)', { a, b })
      const expected = '    (xy|)'
      expectObservable(source.pipe(placing(rule))).toBe(expected, {
        x: { item: a, batch: 'a', dueAt: 30, count: 1 },
        y: { item: b, batch: 'a', dueAt: 30, count: 2 },
      })
    }),
  )

  it(
    'completes when nothing came, and stays open while nothing comes',
    marbles(({ cold, expectObservable }) => {
      const ends = cold<Item>('  ---|')
      const lasts = cold<Item>(' ------')
      expectObservable(ends.pipe(placing(rule))).toBe('---|')
      expectObservable(lasts.pipe(placing(rule))).toBe('------')
    }),
  )

  it(
    'leaves its source when it is left',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const a = item('a', 0)
      const source = hot('  -a-a--a|', { a })
      const left = '        --!'
      const expected = '    -x'
      expectObservable(source.pipe(placing(rule)), left).toBe(expected, {
        x: { item: a, batch: 'a', dueAt: 30, count: 1 },
      })
      expectSubscriptions(source.subscriptions).toBe('^-!')
    }),
  )

  it(
    'serves two subscribers',
    marbles(({ hot, expectObservable }) => {
      const [a, b] = [item('a', 0), item('b', 1)]
      const operated = hot('  -a-b-|', { a, b }).pipe(placing(rule), share())
      const x = { item: a, batch: 'a', dueAt: 30, count: 1 }
      const y = { item: b, batch: 'a', dueAt: 31, count: 2 }
      expectObservable(operated, '^-----!').toBe(' -x-y-|', { x, y })
      expectObservable(operated, '--^---!').toBe(' ---y-|', { y })
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

  it('does not count the first as first while things keep coming, also when a batch went for its age', () => {
    const eager = { ...rule, longestMs: 50, firstAtOnce: true }
    expect(shown(eager, item('a', 0), item('b', 20), item('c', 40), item('d', 60), item('e', 80))).toEqual([
      'a×1, 0',
      'b×1, 50',
      'b×2, 70',
      'b×3, 70',
      'e×1, 110',
    ])
  })

  it('counts as quiet what lasts exactly as long as the quiet time', () => {
    const eager = { ...rule, firstAtOnce: true }
    expect(shown(eager, item('a', 0), item('b', 30))[1]).toBe('b×1, 30')
    expect(shown(eager, item('a', 0), item('b', 29))[1]).toBe('b×1, 59')
  })

  it('lets items of one moment go together, but for the first of them where that goes at once', () => {
    expect(shown(rule, item('a', 0), item('b', 0), item('c', 0))).toEqual(['a×1, 30', 'a×2, 30', 'a×3, 30'])
    expect(shown({ ...rule, firstAtOnce: true }, item('a', 0), item('b', 0), item('c', 0))).toEqual([
      'a×1, 0',
      'b×1, 30',
      'b×2, 30',
    ])
  })

  it('holds a batch of one item at once when no more may go together', () => {
    expect(shown({ ...rule, most: 1 }, item('a', 0), item('b', 0))).toEqual(['a×1, 0', 'b×1, 0'])
  })

  it('keeps batches of one recipient apart by the spacing, and gathers meanwhile', () => {
    const spaced = { ...alone, most: 500, spacingMs: 60 }
    expect(shown(spaced, item('a', 0), item('b', 1), item('c', 59), item('d', 60), item('e', 120))).toEqual([
      'a×1, 0',
      'b×1, 60',
      'b×2, 60',
      'd×1, 120',
      'e×1, 180',
    ])
  })

  it('lets the next go at once when the spacing is over', () => {
    const spaced = { ...alone, most: 500, spacingMs: 60 }
    expect(shown(spaced, item('a', 0), item('b', 60), item('c', 121))).toEqual(['a×1, 0', 'b×1, 60', 'c×1, 121'])
  })

  it('keeps full batches apart by the spacing too', () => {
    const spaced = { ...rule, most: 2, spacingMs: 60 }
    expect(shown(spaced, item('a', 0), item('b', 0), item('c', 1), item('d', 2), item('e', 3))).toEqual([
      'a×1, 30',
      'a×2, 0',
      'c×1, 60',
      'c×2, 60',
      'e×1, 120',
    ])
  })

  it('counts on from where a clock was set back to', () => {
    const spaced = { ...rule, spacingMs: 60 }
    expect(shown(spaced, item('a', 100_000), item('b', 5), item('c', 34), item('d', 80))).toEqual([
      'a×1, 100030',
      'a×2, 35',
      'a×3, 64',
      'd×1, 124',
    ])
  })

  it('goes on gathering what is held up, without putting it off', () => {
    const seen: Placed<Item>[] = []
    const gone = new Set<string>()
    const options = {
      idOf: ({ id }: Item) => id,
      keyOf: () => '',
      ruleOf: () => rule,
      hasGone: (id: string) => gone.has(id),
    }
    const source = new Subject<Item>()
    source.pipe(batch(openStore<Gathering>(), options)).subscribe((one) => seen.push(one))
    for (const one of [item('a', 0), item('b', 500)]) source.next(one)
    gone.add('a')
    for (const one of [item('c', 501), item('d', 502)]) source.next(one)
    gone.add('c')
    source.next(item('e', 503))
    expect(seen.map(({ batch: of, count, dueAt }) => `${of}×${count}, ${dueAt}`)).toEqual([
      'a×1, 30',
      'a×2, 30',
      'c×1, 531',
      'c×2, 532',
      'e×1, 533',
    ])
  })

  it('outlives its stream in the store', () => {
    const store = openStore<Gathering>()
    const options = { idOf: ({ id }: Item) => id, keyOf: () => 'k', ruleOf: () => rule }
    const counts: number[] = []
    for (const one of [item('a', 0), item('b', 10)])
      from([one])
        .pipe(batch(store, options))
        .subscribe(({ count }) => counts.push(count))
    expect(counts).toEqual([1, 2])
    expect(store.calls).toContain('wake k at 40')
  })

  it('gathers nothing where everything goes alone', () => {
    expect(shown(alone, item('a', 5), item('b', 5))).toEqual(['a×1, 5', 'b×1, 5'])
  })

  describe('whatever comes when', () => {
    const rules = fc.record({
      quietMs: fc.nat(60),
      longestMs: fc.integer({ min: 60, max: 200 }),
      most: fc.integer({ min: 1, max: 6 }),
      firstAtOnce: fc.boolean(),
      spacingMs: fc.constantFrom(0, 10, 90, 400),
    })
    const steps = (least: number) =>
      fc.array(fc.record({ gap: fc.integer({ min: least, max: 80 }), to: fc.constantFrom('soc', 'ann') }), {
        maxLength: 40,
      })
    const itemsOf = (given: readonly { readonly gap: number; readonly to: string }[]): readonly Item[] => {
      let now = 100_000
      return given.map(({ gap, to }, n) => item(`i${n}`, (now += gap), to))
    }
    /** Batches of a key in order: their items, and when they go. */
    const batchesOf = (all: readonly Placed<Item>[], to: string) =>
      [
        ...Map.groupBy(
          all.filter(({ item: one }) => one.to === to),
          ({ batch: of }) => of,
        ).values(),
      ].map((members) => ({
        members,
        openedAt: members[0]?.item.now ?? NaN,
        dueAt: members.at(-1)?.dueAt ?? NaN,
      }))

    it('every item is in exactly one batch, in order, and none is too full', () => {
      fc.assert(
        fc.property(rules, steps(-200), (given, some) => {
          const items = itemsOf(some)
          const all = placed(given, ...items)
          expect(all.map((one) => one.item)).toEqual(items)
          for (const to of ['soc', 'ann'])
            for (const { members } of batchesOf(all, to)) {
              expect(members.map(({ count }) => count)).toEqual(members.map((_, n) => n + 1))
              expect(members[0]?.batch).toBe(members[0]?.item.id)
              expect(members.length).toBeLessThanOrEqual(given.most)
            }
        }),
      )
    })

    it('none goes before its last item, nor later than the longest time, but for the spacing', () => {
      fc.assert(
        fc.property(rules, steps(0), (given, some) => {
          const all = placed(given, ...itemsOf(some))
          for (const to of ['soc', 'ann']) {
            let before = -Infinity
            for (const { members, openedAt, dueAt } of batchesOf(all, to)) {
              expect(dueAt).toBeGreaterThanOrEqual(members.at(-1)?.item.now ?? NaN)
              expect(dueAt).toBeLessThanOrEqual(Math.max(openedAt + given.longestMs, before + given.spacingMs))
              before = dueAt
            }
          }
        }),
      )
    })

    it('those of one key go at least the spacing apart', () => {
      fc.assert(
        fc.property(rules, steps(0), (given, some) => {
          const batches = batchesOf(placed(given, ...itemsOf(some)), 'soc')
          batches.slice(1).forEach(({ dueAt }, n) => {
            expect(dueAt - (batches[n]?.dueAt ?? NaN)).toBeGreaterThanOrEqual(given.spacingMs)
          })
        }),
      )
    })

    it('no step back of the clock makes anything wait longer than the rule says', () => {
      fc.assert(
        fc.property(rules, steps(-5000), (given, some) => {
          const unbounded = { ...given, most: 1000 }
          for (const { item: one, dueAt } of placed(unbounded, ...itemsOf(some)))
            expect(dueAt - one.now).toBeLessThanOrEqual(Math.max(given.longestMs, given.spacingMs + given.quietMs))
        }),
      )
    })
  })
})
