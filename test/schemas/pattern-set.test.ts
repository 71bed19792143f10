import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import { compilePattern } from '../../schemas/pattern.ts'
import { firstMatch } from '../../schemas/pattern-set.ts'
import { hostileTexts, patternTexts } from './patterns.ts'

const expression = (text: string): RE2JS => RE2JS.compile(text, RE2JS.CASE_INSENSITIVE)
/** `.` holds for everything, also for nothing. */
const isFound = (pattern: string): ((text: string) => boolean) => {
  const re2 = expression(pattern)
  return (text) => pattern === '.' || re2.test(text)
}
const firstOf = (patterns: readonly string[], text: string): number => firstMatch(patterns.map(compilePattern))(text)

describe('the first match of many patterns', () => {
  it('is what asking RE2 one pattern after the other finds, whatever the patterns and the text', () => {
    fc.assert(
      fc.property(
        fc.array(patternTexts, { maxLength: 6 }),
        fc.array(hostileTexts, { minLength: 1, maxLength: 8 }),
        (patterns, texts) => {
          const first = firstMatch(patterns.map(compilePattern))
          const plain = patterns.map(isFound)
          for (const text of texts) expect(first(text)).toBe(plain.findIndex((find) => find(text)))
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('knows every character that RE2 takes for a letter of ASCII, and no other', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz'
    const first = firstMatch([...letters].map(compilePattern))
    const some = expression('[a-z]')
    for (let code = 0; code < 0x1_0400; code += 1) {
      const character = String.fromCodePoint(code)
      expect([code, first(character) >= 0]).toEqual([code, some.test(character)])
    }
    expect([...'\u017f\u212a'].map((each) => letters[first(each)])).toEqual(['s', 'k'])
  })

  it.each([
    ['a.+b', 'a\nab', -1],
    ['a.+b', 'a\na-b', 0],
    ['a.*b.+c', 'ab\nbc\nabxc', 0],
    ['^a.*b', 'x\nab', -1],
    ['.+a', 'a\na', -1],
    ['a.+', 'a\nb', -1],
    ['a.+', 'a\nab', 0],
    ['.+', '\n\n', -1],
    ['', '', 0],
    ['.', '', 0],
    ['KELVIN', '\u212Aelvin', 0],
    ['(?-i)Error', 'error', -1],
    ['a{2}b', 'xaab', 0],
  ])('of %s in %j is at %i', (pattern, text, place) => expect(firstOf([pattern], text)).toBe(place))

  it('takes the lowest place, not the earliest in the text', () =>
    expect(firstOf(['nothing', 'later', 'sooner'], 'sooner or later')).toBe(1))

  it('is none among no patterns', () => expect(firstOf([], 'a')).toBe(-1))

  it('takes time linear in a text that is made to be slow', () => {
    const patterns = ['a.+b.+c', '^.*a.*b.*c', '.+a.+', '(a+)+$', '(.*a){9}z'].map(compilePattern)
    const first = firstMatch(patterns.slice(0, 2))
    const all = firstMatch(patterns)
    const began = performance.now()
    expect(first('a\n'.repeat(200_000))).toBe(-1)
    expect(first(`${'ab'.repeat(200_000)}\nc`)).toBe(-1)
    expect(all(`${'a'.repeat(50_000)}!`)).toBe(2)
    expect(performance.now() - began).toBeLessThan(2000)
  })
})
