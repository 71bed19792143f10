import { describe, expect, it } from 'vitest'
import { messageFilter } from '../../../operators/filters/message-filter.ts'
import { compilePattern } from '../../../schemas/pattern.ts'
import { alertEvent } from '../alert-events.ts'

const objection = (name: string, include = '.+', exclude = ''): string | undefined =>
  messageFilter({ include: compilePattern(include), exclude: compilePattern(exclude) })(alertEvent({ event: { name } }))
    ?.reason

describe('the message filter', () => {
  it('CX-16 lets a name pass that matches without regard to case', () =>
    expect(objection('Honey file accessed', 'honey')).toBeUndefined())
  it('CX-16 objects to a name that does not match', () =>
    expect(objection('Other', 'honey')).toBe("the alert's name does not match honey: Other"))
  it('CX-17 objects to a name that is left out', () =>
    expect(objection('Test alert', '.+', 'test')).toBe("the alert's name matches test, which is left out: Test alert"))
  it('objects to an empty name by default, and to none when both patterns are blank', () => {
    expect(objection('')).toBeDefined()
    expect(objection('', '')).toBeUndefined()
  })
  it('finds what a line break hides from nobody', () => expect(objection('a\nhoney', 'honey')).toBeUndefined())
})
