import { RE2JS } from 're2js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compilePattern, PatternError } from '../../schemas/pattern.ts'

const matches = (pattern: string, value: unknown): boolean => compilePattern(pattern).matches(value)

const refusalOf = (pattern: string): PatternError => {
  try {
    compilePattern(pattern)
  } catch (error) {
    if (error instanceof PatternError) return error
    throw error
  }
  throw new Error(`not refused: ${pattern}`)
}

describe('a pattern', () => {
  it('RX-01: is found anywhere, without regard to case', () => expect(matches('b', 'ABC')).toBe(true))
  it('RX-02: regards case where it says so itself', () => expect(matches('(?-i)b', 'ABC')).toBe(false))
  it('RX-03: matches a list when any element matches', () => expect(matches('^prod$', ['x', 'Prod'])).toBe(true))
  it('RX-05: never matches an empty list, not even as .*', () => {
    for (const pattern of ['', '.', '.*', '.+']) expect(matches(pattern, [])).toBe(false)
  })
  it('RX-06: says when nothing was written, so that a filter can be off', () => {
    expect(compilePattern('').isBlank).toBe(true)
    expect(compilePattern(' ').isBlank).toBe(false)
  })
  it('RX-07: is refused when RE2 refuses it', () =>
    expect(refusalOf('(').message).toMatch(/missing closing \) at character 1/))
  it('RX-08: matches a number by its text', () => {
    expect(matches('^404$', 404)).toBe(true)
    expect(matches('^1\\.5$', 1.5)).toBe(true)
    expect(matches('^18446744073709551615$', 18446744073709551615n)).toBe(true)
  })
  it('RX-09: that reads like a number is a text', () => expect(matches('404', 'HTTP 404')).toBe(true))

  it.each([
    ['', null, true],
    ['.', null, true],
    ['.*', undefined, true],
    ['.*', false, true],
    ['.+', null, false],
    ['.+', undefined, false],
    ['null', null, false],
    ['true', true, false],
    ['.', '', true],
    ['.+', '', false],
    ['"a":1', { a: 1 }, true],
    ['.', [null], true],
    ['.+', [null, true], false],
    ['^b$', [['a', ['B']]], true],
    ['kelvin', '\u212Aelvin', true],
  ])('%s against %j gives %s', (pattern, value, expected) => expect(matches(pattern, value)).toBe(expected))

  it('matches lists that nest deeper than the stack, and objects that have no JSON never', () => {
    let deep: unknown = 'needle'
    for (let depth = 0; depth < 200_000; depth += 1) deep = [deep]
    expect(matches('^needle$', deep)).toBe(true)
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    expect(matches('self', circular)).toBe(false)
  })

  it.each([
    ['a(b(c)', 1, 'missing closing )'],
    ['[(]a(', 4, 'missing closing )'],
    ['a)', 1, 'unexpected )'],
    ['\\)(a))b', 5, 'unexpected )'],
    ['[a', 0, 'missing closing ]'],
    ['x*a**', 3, 'repetition'],
    ['ab(?!c)', 2, 'look-ahead'],
    ['(?<=a)b', 0, 'look-behind'],
    ['(a)\\1', 3, 'back-references'],
    ['end\\Z', 3, '\\z'],
    ['a{1001}', 1, '1000 times'],
    ['a\\', 1, 'trailing backslash'],
    [`${'('.repeat(2000)}${')'.repeat(2000)}`, null, 'nests too deeply'],
  ])('%s is refused at its fault', (pattern, offset, reason) => {
    const refusal = refusalOf(pattern)
    expect(refusal.offset).toBe(offset)
    expect(refusal.message).toContain(reason)
  })

  it('remembers without ever answering otherwise than RE2', () => {
    const asked = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'A', '1'), maxLength: 6 }), { maxLength: 3000 })
    const expression = RE2JS.compile('^(ab)+1?$', RE2JS.CASE_INSENSITIVE)
    const pattern = compilePattern('^(ab)+1?$')
    fc.assert(
      fc.property(asked, (texts) => texts.every((text) => pattern.matches(text) === expression.test(text))),
      { numRuns: 50 },
    )
  })

  it('takes linear time on hostile text', () => {
    const began = performance.now()
    expect(matches('(a+)+$', `${'a'.repeat(50_000)}b`)).toBe(false)
    expect(performance.now() - began).toBeLessThan(2000)
  })

  it('either compiles or throws PatternError, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'()[]{}?*+|\\^$.-:<>P=!aQE1,'), maxLength: 12 }), (text) => {
        try {
          compilePattern(text).matches('a1')
        } catch (error) {
          expect(error).toBeInstanceOf(PatternError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
