import { describe, expect, it } from 'vitest'
import { flowFields, likeness } from '../../operators/flow-fields.ts'
import { flowEvent } from './flow-events.ts'

describe('the likeness of flows', () => {
  it('is that of the named facts, whatever else differs', () => {
    const a = flowEvent({ flow: { creator: 'a' } })
    const b = flowEvent({ flow: { creator: 'b' } })
    expect(likeness(a, ['client.id'])).toBe(likeness(b, ['client.id']))
    expect(likeness(a, ['client.id', 'flow.creator'])).not.toBe(likeness(b, ['client.id', 'flow.creator']))
  })

  it('does not know the order of artifacts', () => {
    const of = (...artifacts: readonly string[]) => likeness(flowEvent({ flow: { artifacts } }), ['flow.artifacts'])
    expect(of('A', 'B')).toBe(of('B', 'A'))
    expect(of('A,B')).not.toBe(of('A', 'B'))
  })

  it('keeps organisations apart, always', () => {
    expect(likeness(flowEvent({ event: { org: 'O1' } }), [])).not.toBe(likeness(flowEvent(), []))
  })

  it.each(flowFields)('can be that of %s alone', (field) => {
    const other = flowEvent({
      client: { id: 'C.2' },
      flow: { artifacts: ['X'], creator: 'x', state: 'ERROR' },
      event: { hunt: { id: 'H.2', known: true, description: '', tags: [] } },
    })
    expect(likeness(other, [field])).not.toBe(likeness(flowEvent(), [field]))
  })
})
