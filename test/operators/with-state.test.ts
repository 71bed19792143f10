import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { type StateStore, type Step, withState } from '../../operators/with-state.ts'
import { marbles } from './marbles.ts'
import { openStore } from './state-store.ts'

interface Drop {
  readonly into: string
  readonly at: number
}
const drop = (into: string, at: number): Drop => ({ into, at })

/** Fills a cup with three drops, then empties it; says nothing while it fills and asks to be looked at in ten. */
const cup: Step<number, Drop, string> = (drops = 0, { into }, now) =>
  drops < 2 ? { state: drops + 1, outputs: [], wakeAt: now + 10 } : { state: undefined, outputs: [into, 'full'] }

const filling = (store: StateStore<number>) =>
  withState(
    store,
    ({ into }: Drop) => into,
    ({ at }) => at,
    cup,
  )

const a = drop('a', 1)
const b = drop('b', 1)

describe('withState', () => {
  it(
    'remembers by key, and puts out as much as the step does',
    marbles(({ hot, expectObservable }) => {
      const source = hot('  -a-b-a-b-a---|', { a, b })
      const expected = '    ---------(xy)|'
      expectObservable(source.pipe(filling(openStore()))).toBe(expected, { x: 'a', y: 'full' })
    }),
  )

  it(
    'keeps the order of inputs that come together',
    marbles(({ cold, expectObservable }) => {
      const source = cold(' (aabbab|)', { a, b })
      const expected = '    (xyzy|)'
      expectObservable(source.pipe(filling(openStore()))).toBe(expected, { x: 'a', y: 'full', z: 'b' })
    }),
  )

  it(
    'completes when nothing came',
    marbles(({ cold, expectObservable }) => {
      const source = cold<Drop>(' ---|')
      const expected = '    ---|'
      expectObservable(source.pipe(filling(openStore()))).toBe(expected)
    }),
  )

  it(
    'stays open while nothing comes',
    marbles(({ cold, expectObservable }) => {
      const source = cold<Drop>(' ------')
      const expected = '    ------'
      expectObservable(source.pipe(filling(openStore()))).toBe(expected)
    }),
  )

  it(
    'fails when its source fails',
    marbles(({ hot, expectObservable }) => {
      const source = hot('  -a-#', { a }, new Error('away'))
      const expected = '    ---#'
      expectObservable(source.pipe(filling(openStore()))).toBe(expected, {}, new Error('away'))
    }),
  )

  it(
    'fails when its step throws',
    marbles(({ hot, expectObservable }) => {
      const source = hot('  -a-a', { a })
      const expected = '    -#'
      const broken = withState(
        openStore<number>(),
        ({ into }: Drop) => into,
        ({ at }) => at,
        () => {
          throw new Error('broken')
        },
      )
      expectObservable(source.pipe(broken)).toBe(expected, {}, new Error('broken'))
    }),
  )

  it(
    'leaves its source when it is left, and what it remembered outlives it',
    marbles(({ hot, expectObservable, expectSubscriptions, flush }) => {
      const store = openStore<number>()
      const source = hot('  -a-a-a-|', { a })
      const left = '        ----!'
      const expected = '    -----'
      expectObservable(source.pipe(filling(store)), left).toBe(expected)
      expectSubscriptions(source.subscriptions).toBe('^---!')
      flush()
      expect(store.states).toEqual(new Map([['a', 2]]))
    }),
  )

  it(
    'shares what it remembers among two subscribers, for the state is the store’s',
    marbles(({ cold, expectObservable }) => {
      const operated = cold('-a---|', { a }).pipe(filling(openStore()))
      const first = '        ^-----'
      const second = '       --^-----'
      const third = '        ----^-----'
      expectObservable(operated, first).toBe(' -----|')
      expectObservable(operated, second).toBe('-------|')
      expectObservable(operated, third).toBe(' -----(xy)|', { x: 'a', y: 'full' })
    }),
  )

  it('puts a state only when it has changed, under the input’s own time, and hands on wake-ups', () => {
    const store = openStore<number>()
    const unchanged: Step<number, Drop, never> = (state) => ({ state, outputs: [] })
    from([a])
      .pipe(
        withState(
          store,
          ({ into }: Drop) => into,
          ({ at }) => at,
          unchanged,
        ),
      )
      .subscribe()
    expect(store.calls).toEqual([])
    from([drop('a', 5), drop('a', 7), drop('a', 9)])
      .pipe(filling(store))
      .subscribe()
    expect(store.calls).toEqual(['put a at 5', 'wake a at 15', 'put a at 7', 'wake a at 17', 'put a at 9'])
    expect(store.states.size).toBe(0)
  })

  it('steps an input without a key without a state, and keeps none for it', () => {
    const store = openStore<number>()
    const before: unknown[] = []
    const watched: Step<number, Drop, never> = (state) => (before.push(state), { state: 1, outputs: [], wakeAt: 9 })
    from([a, a])
      .pipe(
        withState(
          store,
          () => null,
          ({ at }) => at,
          watched,
        ),
      )
      .subscribe()
    expect([before, store.calls]).toEqual([[undefined, undefined], []])
  })

  it('works on a store that cannot wake', () => {
    const { get, put } = openStore<number>()
    expect(() => from([a]).pipe(filling({ get, put })).subscribe()).not.toThrow()
  })
})
