import { expect, it } from 'vitest'
import { ownFilter, type OwnRule } from '../../../operators/filters/own-filter.ts'
import { alertEvent } from '../alert-events.ts'

const heartbeat = alertEvent({ event: { name: 'raptor-relay heartbeat', artifact: 'relay', reported_by: 'server' } })
const trouble = alertEvent({ event: { name: 'raptor-relay: mail is away', artifact: 'relay', reported_by: 'server' } })
const borrowed = (event: typeof heartbeat) => [
  { ...event, reported_by: 'C.1111111111111111' },
  { ...event, artifact: 'Custom.Evil' },
]
const rules: readonly OwnRule[] = ['trouble', 'heartbeat', 'all but heartbeats']
const passed = (event: typeof heartbeat): readonly OwnRule[] => rules.filter((rule) => ownFilter(rule)(event) === null)

it('signs of life go to their own monitor alone', () => {
  expect(passed(heartbeat)).toEqual(['heartbeat'])
})

it('trouble goes to its own monitor, and to those of any alerts', () => {
  expect(passed(trouble)).toEqual(['trouble', 'all but heartbeats'])
})

it('an endpoint that borrows a name is an alert like any other', () => {
  for (const event of [...borrowed(heartbeat), ...borrowed(trouble)])
    expect(passed(event)).toEqual(['all but heartbeats'])
})
