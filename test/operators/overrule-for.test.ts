import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { isStanding, judgementOf } from '../../operators/judgement.ts'
import { overruleFor } from '../../operators/overrule-for.ts'
import { operatorContract } from './operator.contract.ts'

const even = { name: 'even', appliesTo: (n: number) => n % 2 === 0 }

operatorContract('overruleFor', () => overruleFor(even), {
  a: judgementOf(1),
  b: judgementOf(2),
  x: judgementOf(1),
  y: { ...judgementOf(2), overruledBy: ['even'] },
})

describe('overruleFor', () => {
  it('leaves the objections in place, overruled', () => {
    const objections = [{ by: 'small', reason: '2 is small' }]
    const seen: unknown[] = []
    from([{ ...judgementOf(2), objections, overruledBy: ['liked'] }])
      .pipe(overruleFor(even))
      .subscribe((judgement) => seen.push(judgement.objections, judgement.overruledBy, isStanding(judgement)))
    expect(seen).toEqual([objections, ['liked', 'even'], true])
  })

  it('names each of several overrides that applies, in their order', () => {
    const large = { name: 'large', appliesTo: (n: number) => n > 10 }
    const seen: unknown[] = []
    from([1, 2, 11, 12].map(judgementOf))
      .pipe(overruleFor(large, even))
      .subscribe(({ overruledBy }) => seen.push(overruledBy))
    expect(seen).toEqual([[], ['even'], ['large'], ['large', 'even']])
  })
})
