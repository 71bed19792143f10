import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { editDistance, instead, nearest } from '../../../pipeline/config/did-you-mean.ts'

describe('the edit distance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['kitten', 'sitting', 3],
    ['mail', 'mial', 1],
  ])('of %j and %j is %i', (a, b, distance) => expect(editDistance(a, b)).toBe(distance))

  it('is the same both ways, and none only between equals', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, b) === 0).toBe(a === b)
      }),
    )
  })
})

describe('the nearest word', () => {
  const known = ['Recipients', 'NotifyExecutor', 'HTML']
  it.each([
    ['recipient', 'Recipients'],
    ['notify_executor', 'NotifyExecutor'],
    ['HMTL', 'HTML'],
    ['Color', undefined],
    ['x'.repeat(5000), undefined],
  ])('to %s is %s', (word, expected) => expect(nearest(word, known)).toBe(expected))
})

describe('what is said of a word that is not known', () => {
  const known = ['ServerSecret', 'NotifyExecutor', 'IncludeClientDetails', 'IncludeFlowDetails']
  it.each([
    ['Secret', 'did you mean ServerSecret?'],
    ['ServerSecrt', 'did you mean ServerSecret?'],
    ['Details', `known are ${known.join(', ')}`],
    ['Color', `known are ${known.join(', ')}`],
  ])('of %s: %s', (word, expected) => expect(instead(word, known)).toBe(expected))
})
