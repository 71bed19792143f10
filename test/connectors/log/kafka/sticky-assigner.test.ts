import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shareOut, type Claim } from '../../../../connectors/log/kafka/sticky-assigner.ts'

const claims = fc.uniqueArray(
  fc.record({
    member: fc.string({ minLength: 1 }),
    owned: fc.array(fc.integer({ min: -2, max: 20 })),
    since: fc.integer({ min: 0, max: 5 }),
  }),
  { selector: ({ member }) => member, minLength: 1, maxLength: 8 },
)

const movesOf = (
  before: ReadonlyMap<string, readonly number[]>,
  after: ReadonlyMap<string, readonly number[]>,
): number => {
  const ownerOf = new Map(
    [...after].flatMap(([member, share]) => share.map((partition) => [partition, member] as const)),
  )
  return [...before].flatMap(([member, share]) =>
    share.filter((partition) => after.has(member) && ownerOf.get(partition) !== member),
  ).length
}

describe('partitions are shared out', () => {
  it('each to one member, as evenly as can be, whatever is claimed', () => {
    fc.assert(
      fc.property(claims, fc.integer({ min: 1, max: 16 }), (members, partitions) => {
        const shares = shareOut(members, partitions)
        const all = [...shares.values()].flat().sort((a, b) => a - b)
        expect(all).toEqual(Array.from({ length: partitions }, (_, partition) => partition))
        const sizes = [...shares.values()].map(({ length }) => length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('with as few moved as a member more or less asks for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), fc.integer({ min: 1, max: 6 }), (partitions, count) => {
        const claim = (member: string, owned: readonly number[]): Claim => ({ member, owned, since: 1 })
        const first = shareOut(
          Array.from({ length: count }, (_, n) => claim(`m${n}`, [])),
          partitions,
        )
        const settled = [...first].map(([member, owned]) => claim(member, owned))
        expect(shareOut(settled, partitions)).toEqual(first)
        const joined = shareOut([...settled, claim('new', [])], partitions)
        expect(movesOf(first, joined)).toBe(joined.get('new')?.length)
        const left = shareOut(settled.slice(1), partitions || 1)
        if (count > 1) expect(movesOf(new Map([...first].slice(1)), left)).toBe(0)
      }),
    )
  })

  it('to the member that claims them later, when two do: the other one was away', () => {
    const shares = shareOut(
      [
        { member: 'away', owned: [0, 1], since: 1 },
        { member: 'here', owned: [0, 1], since: 2 },
      ],
      4,
    )
    expect(shares.get('here')).toEqual([0, 1])
  })
})
