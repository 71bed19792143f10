import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../../pipeline/runtime/backoff.ts'

const waits = { firstMs: 1000, longestMs: 60_000 }

describe('a backoff', () => {
  it('doubles up to its longest, of which a random half is taken off', () => {
    expect([1, 2, 3, 6, 7, 100].map((failures) => backoffMs(waits, failures, () => 0))).toEqual([
      500, 1000, 2000, 16_000, 30_000, 30_000,
    ])
    expect([1, 2, 3, 6, 7, 100].map((failures) => backoffMs(waits, failures, () => 1 - Number.EPSILON))).toEqual([
      1000, 2000, 4000, 32_000, 60_000, 60_000,
    ])
  })

  it('lies within half of the full wait and the full one, and never beyond the longest', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e9 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, random) => {
          const full = Math.min(60_000, 1000 * 2 ** (failures - 1))
          const wait = backoffMs(waits, failures, () => random)
          expect(wait).toBeGreaterThanOrEqual(full / 2)
          expect(wait).toBeLessThanOrEqual(full)
        },
      ),
    )
  })
})
