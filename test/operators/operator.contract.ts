import { type MonoTypeOperatorFunction, share } from 'rxjs'
import { describe, it } from 'vitest'
import type { Judgement } from '../../operators/judgement.ts'
import { marbles } from './marbles.ts'

/** Two inputs of an operator and what it makes of them. */
export interface Samples<E> {
  readonly a: Judgement<E>
  readonly b: Judgement<E>
  /** What `a` becomes. */
  readonly x: Judgement<E>
  /** What `b` becomes after `a`. */
  readonly y: Judgement<E>
}

/** What every operator over judgements does: one out for each in, at once and in order. `open` gives a fresh one. */
export const operatorContract = <E>(
  name: string,
  open: () => MonoTypeOperatorFunction<Judgement<E>>,
  { a, b, x, y }: Samples<E>,
): void => {
  describe(`${name} as an operator`, () => {
    it(
      'passes every event on at once',
      marbles(({ hot, expectObservable }) => {
        const source = hot('  -a-b---|', { a, b })
        const expected = '    -x-y---|'
        expectObservable(source.pipe(open())).toBe(expected, { x, y })
      }),
    )

    it(
      'keeps the order of events that come together',
      marbles(({ cold, expectObservable }) => {
        const source = cold(' (ab|)', { a, b })
        const expected = '    (xy|)'
        expectObservable(source.pipe(open())).toBe(expected, { x, y })
      }),
    )

    it(
      'completes when nothing came',
      marbles(({ cold, expectObservable }) => {
        const source = cold<Judgement<E>>(' ---|')
        const expected = '    ---|'
        expectObservable(source.pipe(open())).toBe(expected)
      }),
    )

    it(
      'stays open while nothing comes',
      marbles(({ cold, expectObservable }) => {
        const source = cold<Judgement<E>>(' ------')
        const expected = '    ------'
        expectObservable(source.pipe(open())).toBe(expected)
      }),
    )

    it(
      'fails when its source fails',
      marbles(({ hot, expectObservable }) => {
        const source = hot('  -a-#', { a }, new Error('away'))
        const expected = '    -x-#'
        expectObservable(source.pipe(open())).toBe(expected, { x }, new Error('away'))
      }),
    )

    it(
      'leaves its source when it is left',
      marbles(({ hot, expectObservable, expectSubscriptions }) => {
        const source = hot('  -a-b--a|', { a, b })
        const left = '        ---!'
        const expected = '    -x--'
        expectObservable(source.pipe(open()), left).toBe(expected, { x })
        expectSubscriptions(source.subscriptions).toBe('^--!')
      }),
    )

    it(
      'serves two subscribers',
      marbles(({ hot, expectObservable }) => {
        const source = hot('  -a-b---|', { a, b })
        const early = '       ^-------!'
        const late = '        --^-----!'
        const operated = source.pipe(open(), share())
        expectObservable(operated, early).toBe('-x-y---|', { x, y })
        expectObservable(operated, late).toBe(' ---y---|', { y })
      }),
    )
  })
}
