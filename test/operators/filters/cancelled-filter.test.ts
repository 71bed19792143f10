import { describe, expect, it } from 'vitest'
import { cancelledFilter } from '../../../operators/filters/cancelled-filter.ts'
import { flowEvent, query } from '../flow-events.ts'

const objection = (status: string, errors: readonly string[] = [], ignoreCancelled = true): string | undefined => {
  const queries = errors.map((error) => query({ status: error === '' ? 'OK' : 'GENERIC_ERROR', error }))
  return cancelledFilter({ ignoreCancelled })(flowEvent({ flow: { state: 'ERROR', status, queries } }))?.reason
}

describe('the cancelled filter', () => {
  it('objects to what a person cancelled, with the status', () => {
    expect(objection(' Cancelled by analyst2 ')).toBe('the flow was cancelled: Cancelled by analyst2')
  })
  it('objects to a bare status when no query says otherwise', () => {
    expect(objection('cancelled', ['', 'CANCELLED by somebody', 'Cancelled'])).toBe('the flow was cancelled: cancelled')
  })
  it('does not object when a limit ended the flow', () => {
    expect(objection('Cancelled', ['Cancelled', 'Row count exceeded limit'])).toBeUndefined()
  })
  it('does not object to other failures', () => {
    expect(objection('was cancelled')).toBeUndefined()
  })
  it('objects to nothing when it is off', () => {
    expect(objection('Cancelled by analyst2', [], false)).toBeUndefined()
  })
})
