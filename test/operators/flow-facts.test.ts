import { describe, expect, it } from 'vitest'
import {
  clientAgeOf,
  delayOf,
  hasRows,
  hasUploads,
  huntOf,
  isCancelled,
  isFailed,
  isNewClient,
} from '../../operators/flow-facts.ts'
import { flowEvent, query, T } from './flow-events.ts'

describe('facts of a flow', () => {
  it.each([
    ['FINISHED', false],
    ['ERROR', true],
    ['RUNNING', true],
    ['UNSET', true],
    ['', true],
  ])('state %s is failed: %s', (state, expected) => expect(isFailed(flowEvent({ flow: { state } }))).toBe(expected))

  it.each([
    ['F.X.H', 'H.X'],
    ['F.X', null],
    ['F..H', null],
    ['F.A.B.H', null],
    ['F.X.H\n', null],
  ])('the hunt of %j is %s', (flow, hunt) => expect(huntOf(flow)).toBe(hunt))

  it('a delay is counted in whole seconds, and infinite without a creation', () => {
    expect(delayOf(flowEvent({ flow: { created_at: T + 999 }, event: { completed_at: T + 10_000 } }))).toBe(10)
    expect(delayOf(flowEvent({ flow: { created_at: null } }))).toBe(Infinity)
  })

  it('a plain failure is no cancellation', () => {
    expect(isCancelled(flowEvent({ flow: { state: 'ERROR', status: 'boom: Cancelled' } }))).toBe(false)
  })

  it('rows and uploads are those of any query', () => {
    const event = flowEvent({ flow: { queries: [query({}), query({ rows: 1 }), query({ uploads: 2 })] } })
    expect([hasRows(event), hasUploads(event)]).toEqual([true, true])
    const totals = flowEvent({ flow: { queries: [], total_rows: 9, uploaded_files: 9 } })
    expect([hasRows(totals), hasUploads(totals)]).toEqual([false, false])
  })
})

describe('the age of a client', () => {
  const age = (started_at: number | null, first_seen_at: number | null = T - 20_000, created_at: number | null = T) =>
    clientAgeOf(
      flowEvent({ client: { first_seen_at }, flow: { started_at, created_at }, event: { completed_at: T + 60_000 } }),
    )

  it.each([
    ['is counted to the start', age(T + 5000), 25],
    ['is counted to the start at the very completion', age(T + 60_999), 80],
    ['is counted to the creation when the endpoint’s clock is behind (D-02)', age(T - 1), 20],
    ['is counted to the creation when the endpoint’s clock is ahead (D-02)', age(T + 61_000), 20],
    ['is counted to the creation when it never started', age(null), 20],
    ['is negative when it was seen later', age(T, T + 5000), -5],
    ['is not known without a first sign of life', age(T, null), null],
    ['is not known without a creation', age(T, T, null), null],
  ])('%s', (_, seconds, expected) => expect(seconds).toBe(expected))

  it('below the threshold makes it new, and an unknown one does not', () => {
    const event = flowEvent({ client: { first_seen_at: T - 20_000 }, flow: { started_at: T } })
    expect([
      isNewClient(event, 21),
      isNewClient(event, 20),
      isNewClient(flowEvent({ client: { first_seen_at: null } }), 1e9),
    ]).toEqual([true, false, false])
  })
})
