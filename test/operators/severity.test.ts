import { describe, expect, it } from 'vitest'
import { severityRank } from '../../operators/severity.ts'

describe('the rank of a severity', () => {
  it('grows from nothing bad to critical', () => {
    const ranks = ['', 'informational', 'low', 'medium', 'high', 'critical'].map(severityRank)
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b))
    expect(new Set(ranks).size).toBe(ranks.length)
  })

  it('does not depend on case or space', () => {
    expect(severityRank(' HIGH ')).toBe(severityRank('high'))
  })

  it('of an unknown word is in the middle', () => {
    expect(severityRank('toString')).toBe(severityRank('medium'))
    expect(severityRank('7')).toBe(severityRank('medium'))
  })
})
