import { describe, expect, it } from 'vitest'
import { readMatcher } from '../../../pipeline/scenarios/matchers.ts'

const read = (written: unknown, rule = {}) => {
  const problems: string[] = []
  const matcher = readMatcher(
    written,
    ['subject'],
    (path, message) => problems.push(`${path.join('.')}: ${message}`),
    rule,
  )
  return { problems, holds: (actual: string | null) => matcher.faults(actual).length === 0, faults: matcher.faults }
}

describe('a matcher', () => {
  it.each([
    ['abc', 'abc', true],
    ['abc', 'abcd', false],
    ['abc', 'ABC', false],
    [404, '404', true],
    [true, 'true', true],
    [null, null, true],
    [null, '', false],
    ['', null, false],
    ['a\nb\n', 'a\r\nb', true],
    [{ equals: 'abc' }, 'abc', true],
    [{ equals: null }, null, true],
    [{ contains: 'b' }, 'abc', true],
    [{ contains: 'B' }, 'abc', false],
    [{ contains: ['a', 'c'] }, 'abc', true],
    [{ contains: ['a', 'd'] }, 'abc', false],
    [{ contains: 'a\nb' }, 'xa\r\nby', true],
    [{ contains: 'a' }, null, false],
    [{ matches: 'b.$' }, 'abc', true],
    [{ matches: 'B' }, 'abc', false],
    [{ matches: '(?i)B' }, 'abc', true],
    [{ matches: '^b' }, 'abc', false],
    [{ matches: '.*' }, null, false],
    [{ not: 'abc' }, 'abc', false],
    [{ not: 'abc' }, 'x', true],
    [{ not: 'abc' }, null, true],
    [{ not: { contains: 'b' } }, 'abc', false],
    [{ not: ['x', { contains: 'b' }] }, 'abc', false],
    [{ not: ['x', { contains: 'y' }] }, 'abc', true],
    [{ not: null }, 'abc', true],
    [{ contains: 'a', not: { contains: 'b' } }, 'abc', false],
    [{ contains: 'a', matches: 'c$' }, 'abc', true],
  ])('%j against %j: %s', (written, actual, holds) => {
    const matcher = read(written)
    expect(matcher.problems).toEqual([])
    expect(matcher.holds(actual)).toBe(holds)
  })

  it('of addresses does not tell case apart', () => {
    for (const written of ['SOC@Example.org', { contains: 'SOC@' }, { matches: '^SOC' }])
      expect(read(written, { ignoreCase: true }).holds('soc@example.org')).toBe(true)
  })

  it('compares integers of 64 bits exactly', () => {
    expect(read(18446744073709551615n).holds('18446744073709551615')).toBe(true)
    expect(read(18446744073709551615n).holds('18446744073709551616')).toBe(false)
  })

  it('says which parts are missing', () => {
    expect(read({ contains: ['a', 'x', 'y'] }).faults('abc')).toEqual(['does not contain "x"', 'does not contain "y"'])
  })

  it.each([
    [{ contain: 'a' }, 'subject.contain: is not known in a matcher: did you mean contains?'],
    [{ matches: '(' }, 'subject.matches: is no pattern that RE2 takes: error parsing regexp: missing closing ): `(`'],
    [{ matches: '(?=a)' }, 'subject.matches: is no pattern that RE2 takes'],
    [{ contains: [['a']] }, 'subject.contains.0: must be text'],
    [{ contains: [] }, 'subject.contains: must be a text, or a list of texts'],
    [['a', 'b'], 'subject: must be a text or a matcher'],
    [{}, 'subject: is empty'],
  ])('%j is refused', (written, problem) => {
    expect(read(written).problems).toEqual([expect.stringContaining(problem)])
  })
})
