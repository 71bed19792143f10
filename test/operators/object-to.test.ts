import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { judgementOf } from '../../operators/judgement.ts'
import { objectTo } from '../../operators/object-to.ts'
import { operatorContract } from './operator.contract.ts'

const odd = (n: number) => (n % 2 === 1 ? { by: 'odd', reason: `${n} is odd` } : null)

operatorContract('objectTo', () => objectTo(odd), {
  a: judgementOf(1),
  b: judgementOf(2),
  x: { ...judgementOf(1), objections: [{ by: 'odd', reason: '1 is odd' }] },
  y: judgementOf(2),
})

describe('objectTo', () => {
  it('keeps earlier objections and adds to them', () => {
    const earlier = { by: 'small', reason: '1 is small' }
    const seen: unknown[] = []
    from([{ ...judgementOf(1), objections: [earlier] }])
      .pipe(objectTo(odd))
      .subscribe(({ objections }) => seen.push(objections))
    expect(seen).toEqual([[earlier, { by: 'odd', reason: '1 is odd' }]])
  })

  it('adds what each of several filters says, in their order', () => {
    const small = (n: number) => (n < 10 ? { by: 'small', reason: `${n} is small` } : null)
    const seen: unknown[] = []
    from([1, 2, 12].map(judgementOf))
      .pipe(objectTo(small, odd))
      .subscribe(({ objections }) => seen.push(objections.map(({ by }) => by)))
    expect(seen).toEqual([['small', 'odd'], ['small'], []])
  })
})
