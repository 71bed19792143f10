import { describe, expect, it } from 'vitest'
import { delayFilter } from '../../../operators/filters/delay-filter.ts'
import { flowEvent, T } from '../flow-events.ts'

const objection = (
  completed_at: number,
  given: { thresholdS?: number; exceptFailed?: boolean; state?: string; created_at?: number | null } = {},
) => {
  const { thresholdS = 10, exceptFailed = false, state = 'FINISHED', created_at = T } = given
  return delayFilter({ thresholdS, exceptFailed })(flowEvent({ flow: { state, created_at }, event: { completed_at } }))
    ?.reason
}

describe('the delay filter', () => {
  it('objects just below the threshold, with the compared values', () => {
    expect(objection(T + 9999)).toBe('completed 9 s after its creation, which is less than 10 s')
  })
  it('does not object at the threshold', () => expect(objection(T + 10_000)).toBeUndefined())
  it('compares whole seconds of both times', () => {
    expect(objection(T + 10_000, { created_at: T + 999 })).toBeUndefined()
    expect(objection(T + 10_000, { created_at: T + 1000 })).toMatch(/completed 9 s/)
  })
  it('objects to a completion before the creation', () => expect(objection(T - 3000)).toMatch(/completed -3 s/))
  it('objects to none when the threshold is 0', () => expect(objection(T - 3000, { thresholdS: 0 })).toBeUndefined())
  it('does not object when the creation is not known', () => expect(objection(T, { created_at: null })).toBeUndefined())
  it('excepts failed flows only when told to', () => {
    expect(objection(T, { state: 'ERROR', exceptFailed: true })).toBeUndefined()
    expect(objection(T, { state: 'ERROR' })).toBeDefined()
    expect(objection(T, { exceptFailed: true })).toBeDefined()
  })
})
