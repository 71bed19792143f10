import { describe, expect, it } from 'vitest'
import { serverFilter } from '../../../operators/filters/server-filter.ts'
import { flowEvent } from '../flow-events.ts'

describe('the server filter', () => {
  it('objects to what ran on the server itself', () => {
    expect(serverFilter()(flowEvent({ client: { id: 'server' } }))).toEqual({
      by: 'server',
      reason: 'the collection ran on the server itself',
    })
  })
  it('does not object to a client', () => expect(serverFilter()(flowEvent())).toBeNull())
})
