import { describe, expect, it } from 'vitest'
import { alertFields, alertLikeness } from '../../operators/alert-fields.ts'
import { alertEvent } from './alert-events.ts'

describe('alerts', () => {
  it('are alike when the named facts are, whatever else differs', () => {
    const one = alertEvent({ event: { name: 'n', artifact: 'A' } })
    const other = alertEvent({ event: { name: 'n', artifact: 'B' } })
    expect(alertLikeness(one, 'high', ['alert.name'])).toBe(alertLikeness(other, 'low', ['alert.name']))
    expect(alertLikeness(one, 'high', ['alert.name', 'alert.artifact'])).not.toBe(
      alertLikeness(other, 'high', ['alert.name', 'alert.artifact']),
    )
    expect(alertLikeness(one, 'HIGH', ['alert.severity'])).toBe(alertLikeness(one, 'high', ['alert.severity']))
  })

  it('of different organisations are never alike', () => {
    expect(alertLikeness(alertEvent(), '', alertFields)).not.toBe(
      alertLikeness(alertEvent({ event: { org: 'O1' } }), '', alertFields),
    )
  })

  it.each(alertFields)('are told apart by %s', (field) => {
    const plain = alertEvent({ flow: {} })
    const other = alertEvent({
      client: { id: 'C.2' },
      flow: { id: 'F.2' },
      event: { name: 'x', artifact: 'X', flow_id: 'F.2', hunt: { id: 'H.1', known: true, description: '', tags: [] } },
    })
    expect(alertLikeness(plain, 'a', [field])).not.toBe(alertLikeness(other, 'b', [field]))
  })
})
