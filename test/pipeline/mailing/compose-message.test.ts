import { expect, it } from 'vitest'
import { composeMessage } from '../../../pipeline/mailing/compose-message.ts'
import { virtualClock } from '../../../pipeline/runtime/virtual-clock.ts'
import { alertEvent } from '../../operators/alert-events.ts'
import { accepted, answering, noticeTo, openHandSink } from './mail-world.ts'

const clock = virtualClock(0)
const channel = {
  name: 'in-app messages',
  sink: openHandSink(clock, answering(accepted)),
  from: { address: '', name: '' },
}
const messageOf = (...names: readonly string[]): string =>
  composeMessage(
    names.map((name) => ({ ...noticeTo('[]'), flow: null, alert: alertEvent({ event: { name } }) })),
    { messageId: '<1@example.org>', now: 0, channel },
  ).text

it('a message of many alerts with names of 400 kB fits into one query', () => {
  const name = 'x'.repeat(400_000)
  expect(messageOf(...Array.from({ length: 25 }, () => name)).length).toBeLessThan(100_000)
  expect(messageOf(name).length).toBeLessThan(100_000)
})

it('a message says the whole of an ordinary name', () => {
  expect(JSON.parse(messageOf('Disk full'))).toMatchObject({ Message: 'Disk full' })
})
