import fc from 'fast-check'
import { expect, it } from 'vitest'
import { pairUp } from '../../../pipeline/scenarios/pairing.ts'

const fitsOf = (table: readonly (readonly boolean[])[]) => (want: number, candidate: number) =>
  table[want]?.[candidate] === true

/** The most pairs there can be, found by trying everything. */
const mostPairs = (table: readonly (readonly boolean[])[], taken: readonly number[] = []): number => {
  const [row, ...rest] = table
  if (row === undefined) return 0
  const without = mostPairs(rest, taken)
  return row.reduce(
    (most, fits, at) => (fits && !taken.includes(at) ? Math.max(most, 1 + mostPairs(rest, [...taken, at])) : most),
    without,
  )
}

it('gives way when a later one fits only what an earlier one took', () => {
  expect(
    pairUp(
      2,
      2,
      fitsOf([
        [true, true],
        [true, false],
      ]),
    ),
  ).toEqual([1, 0])
})

it('pairs as many as can be paired, each candidate once, and only what fits', () => {
  const tables = fc
    .integer({ min: 0, max: 5 })
    .chain((width) => fc.array(fc.array(fc.boolean(), { minLength: width, maxLength: width }), { maxLength: 5 }))
  fc.assert(
    fc.property(tables, (table) => {
      const pairs = pairUp(table.length, table[0]?.length ?? 0, fitsOf(table))
      const found = pairs.filter((candidate) => candidate !== null)
      expect(new Set(found).size).toBe(found.length)
      pairs.forEach((candidate, want) => expect(candidate === null || table[want]?.[candidate]).toBe(true))
      expect(found.length).toBe(mostPairs(table))
    }),
  )
})
