import { describe, expect, it } from 'vitest'
import { listed } from '../../../operators/filters/listed.ts'

describe('a list inside a sentence', () => {
  const items = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `i${n + 1}`)
  it.each([
    [0, 'none'],
    [1, 'i1'],
    [10, 'i1, i2, i3, i4, i5, i6, i7, i8, i9, i10'],
    [13, 'i1, i2, i3, i4, i5, i6, i7, i8, i9, i10 and 3 more'],
  ])('of %i items', (count, expected) => expect(listed(items(count))).toBe(expected))
})
