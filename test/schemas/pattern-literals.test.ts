import fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import { folded } from '../../schemas/literal-sequence.ts'
import { requiredLiterals } from '../../schemas/pattern-literals.ts'
import { hostileTexts, patternTexts } from './patterns.ts'

describe('the literals that a pattern requires', () => {
  it.each([
    ['fork/exec .+ no such file', [[' no such file'], ['fork/exec ']]],
    ['(denied|refused) by\\.host', [[' by.host'], ['denied', 'refused']]],
    ['Symbol (?P<name>\\w+) not found', [[' not found'], ['symbol ']]],
    ['(?i)x{0,3}abc+d', [['abc'], ['d']]],
    ['\\Qa.b\\E+c', [['a.b'], ['c']]],
    ['a(bc)?', [['a']]],
    ['(ab|c?)', []],
    ['[abc]+\\d', []],
    ['a|b|', []],
    ['', []],
  ])('%s: %j', (pattern, literals) => expect(requiredLiterals(pattern)).toEqual(literals))

  it('stand in every text in which RE2 finds the pattern', () => {
    let found = 0
    fc.assert(
      fc.property(patternTexts, fc.array(hostileTexts, { minLength: 1, maxLength: 12 }), (pattern, texts) => {
        const expression = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE)
        const clauses = requiredLiterals(pattern)
        for (const text of texts.filter((each) => expression.test(each)).map(folded)) {
          if (clauses.length > 0) found += 1
          for (const clause of clauses) expect(clause.some((literal) => text.includes(literal))).toBe(true)
        }
      }),
      { numRuns: 2000 },
    )
    expect(found).toBeGreaterThan(100)
  })
})
