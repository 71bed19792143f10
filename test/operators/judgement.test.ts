import { describe, expect, it } from 'vitest'
import { isStanding, isTold, judgementOf, repeating } from '../../operators/judgement.ts'

const fresh = judgementOf('e')
const objections = [{ by: 'delay', reason: 'too soon' }]
const repeatOf = { event: 'd', reason: 'completed again' }

describe('an event stands', () => {
  it.each([
    ['when nothing was said', fresh, true],
    ['not against an objection', { ...fresh, objections }, false],
    ['when the objection is overruled', { ...fresh, objections, overruledBy: ['new client'] }, true],
    ['not when it repeats another', { ...fresh, repeatOf }, false],
    [
      'not when it repeats another, whatever is overruled',
      { ...fresh, objections, overruledBy: ['new client'], repeatOf },
      false,
    ],
  ])('%s', (_, judgement, expected) => expect(isStanding(judgement)).toBe(expected))
})

describe('somebody is told', () => {
  const addressed = { ...fresh, recipients: [{ address: 'soc@example.org', name: '' }] }
  it('when the event stands and has a recipient', () => {
    expect([addressed, fresh, { ...addressed, objections }].map(isTold)).toEqual([true, false, false])
  })
  it('of nothing that repeats another', () => {
    expect(repeating(addressed, repeatOf)).toEqual({ ...fresh, repeatOf })
  })
})
