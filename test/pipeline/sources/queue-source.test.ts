import { describe, expect, it } from 'vitest'
import { flowCompletions } from '../../../pipeline/sources/queue-source.ts'
import { completionRow } from './hand-velociraptor.ts'

describe('the queue of completions', () => {
  it('knows a row by its natural key, and keeps a client’s rows together', () => {
    expect(flowCompletions.identify('O1', completionRow('F.1', 7), 99_000)).toEqual({
      id: 'O1/C.1/F.1/7',
      key: 'O1/C.1',
      receivedAt: 7000,
      ended: { client: 'C.1', flow: 'F.1', at: 7000 },
    })
  })

  it('takes the time of reading where a row does not say when it was received', () => {
    expect(flowCompletions.identify('root', { ClientId: 'C.1', FlowId: 'F.1' }, 99_500)).toMatchObject({
      id: 'root/C.1/F.1/99',
      receivedAt: 99_500,
    })
  })

  it('shortens a row to what names it: the same row as before', () => {
    const row = { ...completionRow('F.1', 7), Flow: { blob: 'x' } }
    const short = JSON.parse(flowCompletions.shorten(row)) as object
    expect(short).not.toHaveProperty('Flow')
    expect(flowCompletions.identify('root', short, 0)).toEqual(flowCompletions.identify('root', row, 0))
  })
})
