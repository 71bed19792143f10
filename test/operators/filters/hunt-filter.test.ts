import { describe, expect, it } from 'vitest'
import { huntFilter } from '../../../operators/filters/hunt-filter.ts'
import { flowEvent } from '../flow-events.ts'

const objection = (id: string, { letHunts = false, exceptFailed = false, state = 'FINISHED' } = {}) =>
  huntFilter({ letHunts, exceptFailed })(flowEvent({ flow: { id, state } }))?.reason

describe('the hunt filter', () => {
  it('objects to a flow of a hunt, which it names', () =>
    expect(objection('F.X1.H')).toBe('the flow belongs to hunt H.X1'))
  it.each(['F.X1', 'F.IMPORTEDH', 'F.X1.h', 'X.F.X1.H', 'F.X1.H.2'])('does not take %s for one', (id) =>
    expect(objection(id)).toBeUndefined(),
  )
  it('lets hunts through when told to', () => expect(objection('F.X1.H', { letHunts: true })).toBeUndefined())
  it('excepts failed flows only when told to', () => {
    expect(objection('F.X1.H', { exceptFailed: true, state: 'ERROR' })).toBeUndefined()
    expect(objection('F.X1.H', { state: 'ERROR' })).toBeDefined()
    expect(objection('F.X1.H', { exceptFailed: true })).toBe('the flow belongs to hunt H.X1 and did not fail')
  })
})
