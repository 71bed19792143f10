import { expect, it } from 'vitest'
import { ownFilter } from '../../../operators/filters/own-filter.ts'
import { alertEvent } from '../alert-events.ts'

const heartbeat = alertEvent({ event: { name: 'raptor-relay heartbeat', artifact: 'relay', reported_by: 'server' } })

it('objects to signs of life, with where they go', () => {
  expect(ownFilter(heartbeat)).toEqual({ by: 'own', reason: 'signs of life go to those whom heartbeat: names' })
})

it('lets trouble of the relay pass, and an endpoint that borrows its name', () => {
  expect(ownFilter({ ...heartbeat, name: 'raptor-relay: mail is away' })).toBeNull()
  expect(ownFilter({ ...heartbeat, reported_by: 'C.1111111111111111' })).toBeNull()
})
