import { from } from 'rxjs'
import { describe, expect, it } from 'vitest'
import { addressedTo } from '../../operators/addressed-to.ts'
import { type Judgement, judgementOf } from '../../operators/judgement.ts'
import { operatorContract } from './operator.contract.ts'

const soc = { address: 'soc@example.org', name: 'SOC' }
const toSoc = () => ({ recipients: [soc], warnings: ['creator: entry 1 is no mail address'] })
const warnings = ['creator: entry 1 is no mail address']
const objected = { ...judgementOf(2), objections: [{ by: 'delay', reason: 'too soon' }] }

operatorContract('addressedTo', () => addressedTo<number>(toSoc), {
  a: judgementOf(1),
  b: objected,
  x: { ...judgementOf(1), recipients: [soc], warnings },
  y: objected,
})

const addressed = (judgement: Judgement<number>): Judgement<number> | undefined => {
  let seen: Judgement<number> | undefined
  from([judgement])
    .pipe(addressedTo(toSoc))
    .subscribe((one) => (seen = one))
  return seen
}

describe('addressedTo', () => {
  it('addresses what was objected to and overruled', () => {
    expect(addressed({ ...objected, overruledBy: ['new client'] })?.recipients).toEqual([soc])
  })

  it('does not ask who would be told of a repeat', () => {
    const repeat = { ...judgementOf(1), repeatOf: { event: 'e', reason: 'completed again' } }
    expect(addressed(repeat)).toBe(repeat)
  })

  it('adds to the warnings there are', () => {
    expect(addressed({ ...judgementOf(1), warnings: ['w'] })?.warnings).toEqual(['w', ...warnings])
  })
})
