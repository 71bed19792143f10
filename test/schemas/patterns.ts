import fc from 'fast-check'
import { RE2JS } from 're2js'

const isPattern = (text: string): boolean => {
  try {
    RE2JS.compile(text, RE2JS.CASE_INSENSITIVE)
    return true
  } catch {
    return false
  }
}

const plain = ['a', 'b', 'ab', 'k', 'S', 'i', ' ', 'é', '-', ',', '😀']
const gaps = ['.', '.+', '.*', '.+?', '.*?']
const rest = [
  '^',
  '$',
  '\\b',
  '|',
  '(',
  ')',
  '(?:',
  '(?P<n>',
  '(?i)',
  '(?-i)',
  '(?s)',
  '(?m)',
  '(?U:',
  '[ab]',
  '[^a]',
  '[^]a]',
]
const more = [
  '[]a]',
  '[[:alpha:]]',
  '\\d',
  '\\w',
  '\\S',
  '\\.',
  '\\-',
  '\\Q',
  '\\E',
  '\\x61',
  '\\x{212A}',
  '\\pL',
  '\\n',
  '\n',
  '\\A',
  '\\z',
]
const counts = ['?', '*', '+', '{2}', '{0,1}', '{1,}', '{', '}', '{,2}', '+?', '\\141']

/** Pattern texts that RE2 takes, of every kind of its syntax and short. */
export const patternTexts = fc
  .oneof(
    fc.array(fc.constantFrom(...plain, ...gaps, ...rest, ...more, ...counts), { maxLength: 7 }),
    fc.array(fc.constantFrom(...plain, ...gaps, '^', '\\.'), { maxLength: 7 }),
    fc.array(fc.constantFrom('a', 'b', '(', ')', '|', '(a|', 'b)', '+', '*', '?'), { maxLength: 7 }),
  )
  .map((parts) => parts.join(''))
  .filter(isPattern)

/** Texts of the characters of these patterns, and of what RE2 takes to be the same as some, or nearly. */
export const hostileTexts = fc.string({
  unit: fc.constantFrom(...'aAbBkK\u212AsS\u017FiI\u0130\u0131 .-,é\u00c9\n\r1x', '😀', '\ud83d', 'ab', '\u0307'),
  maxLength: 14,
})
