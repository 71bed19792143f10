import { describe, expect, it } from 'vitest'
import { flowCompletionId, readFlowCompletion } from '../../../pipeline/sources/flow-completion-row.ts'

const row = (more: object = {}) => ({
  ClientId: 'C.1',
  FlowId: 'F.1',
  Timestamp: 1_776_869_007,
  _ts: 1_776_869_007,
  ...more,
})

describe('a completion row', () => {
  it('has times in milliseconds, whether it came live or was read back', () => {
    expect(readFlowCompletion(row())).toEqual({
      client: 'C.1',
      flow: 'F.1',
      timestamp: 1_776_869_007_000,
      receivedAt: 1_776_869_007_000,
    })
    expect(readFlowCompletion(row({ _ts: 1_776_869_007_412 })).receivedAt).toBe(1_776_869_007_412)
  })

  it('has its times in whole seconds, also where they are texts or fractions', () => {
    expect(readFlowCompletion(row({ Timestamp: 1.9, _ts: '5.9' }))).toMatchObject({ timestamp: 1000, receivedAt: 5000 })
  })

  it('may lack its times', () => {
    expect(readFlowCompletion({ ClientId: 'C.1', FlowId: 'F.1', Timestamp: null })).toMatchObject({
      timestamp: null,
      receivedAt: null,
    })
  })

  it.each([
    ['null', null, 'the row is not an object'],
    ['a text', 'x', 'the row is not an object'],
    ['a list', [row()], 'the row is not an object'],
    ['without a client', row({ ClientId: undefined }), 'ClientId is missing'],
    ['with an empty flow', row({ FlowId: '' }), 'FlowId is missing'],
    ['whose flow is a number', row({ FlowId: 7 }), 'FlowId is missing'],
    ['with an endless client', row({ ClientId: 'C'.repeat(513) }), 'ClientId is longer than 512 characters'],
    ['with a negative time', row({ Timestamp: -1 }), 'Timestamp is not a time between 1970 and 9999'],
    [
      'with a time of the year 10000',
      row({ Timestamp: 253_402_300_800 }),
      'Timestamp is not a time between 1970 and 9999',
    ],
    ['with a text for a time', row({ _ts: 'yesterday' }), '_ts is not a time between 1970 and 9999'],
    ['with an empty time', row({ _ts: ' ' }), '_ts is not a time between 1970 and 9999'],
    ['with an object for a time', row({ _ts: {} }), '_ts is not a time between 1970 and 9999'],
  ])('is refused when it is %s', (_, value, reason) => {
    expect(() => readFlowCompletion(value)).toThrow(new Error(reason))
  })
})

describe('the id of a completion', () => {
  it('is the same live and read back, and another for a second completion', () => {
    const live = readFlowCompletion(row())
    const back = readFlowCompletion(row({ _ts: 1_776_869_007_999 }))
    expect(flowCompletionId('root', back, back.receivedAt ?? 0)).toBe(
      flowCompletionId('root', live, live.receivedAt ?? 0),
    )
    expect(flowCompletionId('root', live, 0)).toBe('root/C.1/F.1/1776869007')
    expect(flowCompletionId('root', readFlowCompletion(row({ Timestamp: 1_776_869_008 })), 0)).not.toBe(
      flowCompletionId('root', live, 0),
    )
  })

  it('FC-70 has the second of its receipt where the row has no time of its own', () => {
    const bare = readFlowCompletion(row({ Timestamp: undefined }))
    expect(flowCompletionId('root', bare, 5999)).toBe('root/C.1/F.1/5')
  })
})
