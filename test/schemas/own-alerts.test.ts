import { expect, it } from 'vitest'
import { ownKindOf } from '../../schemas/own-alerts.ts'
import { alertEvent } from '../operators/alert-events.ts'

const own = (name: string) => alertEvent({ event: { name, artifact: 'relay', reported_by: 'server' } })

it('knows what the relay tells of itself', () => {
  expect(ownKindOf(own('raptor-relay heartbeat'))).toBe('heartbeat')
  expect(ownKindOf(own('raptor-relay: mail is away'))).toBe('trouble')
  expect(ownKindOf(own('raptor-relay: over: mail is away'))).toBe('trouble')
  expect(ownKindOf(alertEvent())).toBeNull()
})

it('an endpoint that borrows a name is an alert like any other', () => {
  for (const event of [own('raptor-relay heartbeat'), own('raptor-relay: mail is away')])
    for (const borrowed of [
      { ...event, reported_by: 'C.1111111111111111' },
      { ...event, artifact: 'Custom.Evil' },
    ])
      expect(ownKindOf(borrowed)).toBeNull()
})
