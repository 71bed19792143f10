import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  followedIn,
  shareFollowing,
  shareOut,
  stickyAssigner,
  type Claim,
  type Shares,
} from '../../../../connectors/log/kafka/sticky-assigner.ts'

const claims = fc.uniqueArray(
  fc.record({
    member: fc.string({ minLength: 1 }),
    owned: fc.array(fc.integer({ min: -2, max: 20 })),
    since: fc.integer({ min: 0, max: 5 }),
    followed: fc.array(fc.integer({ min: -1, max: 8 })),
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
        const claim = (member: string, owned: readonly number[]): Claim => ({ member, owned, since: 1, followed: [] })
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
        { member: 'away', owned: [0, 1], since: 1, followed: [] },
        { member: 'here', owned: [0, 1], since: 2, followed: [] },
      ],
      4,
    )
    expect(shares.get('here')).toEqual([0, 1])
  })
})

describe('the state of partitions is followed', () => {
  const sizes = [fc.integer({ min: 1, max: 24 }), fc.integer({ min: 2, max: 6 })] as const
  const claimsOf = (shares: Shares, following: Shares): readonly Claim[] =>
    [...shares].map(([member, owned], since) => ({ member, owned, since, followed: following.get(member) ?? [] }))
  /** A group that was given its partitions, member by member. */
  const settled = (partitions: number, count: number): { shares: Shares; following: Shares } => {
    let shares: Shares = new Map()
    let following: Shares = new Map()
    for (let n = 0; n < count; n++) {
      const joining: Claim = { member: `m${n}`, owned: [], since: 0, followed: [] }
      const claimed = [...claimsOf(shares, following), joining]
      shares = shareOut(claimed, partitions)
      following = shareFollowing(claimed, shares, partitions)
    }
    return { shares, following }
  }

  it('of each by one member that does not hold it, whatever is claimed', () => {
    fc.assert(
      fc.property(claims, fc.integer({ min: 1, max: 16 }), (members, partitions) => {
        const shares = shareOut(members, partitions)
        const following = shareFollowing(members, shares, partitions)
        const all = [...following.values()].flat().sort((a, b) => a - b)
        expect(all).toEqual(members.length < 2 ? [] : Array.from({ length: partitions }, (_, partition) => partition))
        for (const [member, share] of shares)
          expect(share.filter((partition) => following.get(member)?.includes(partition))).toEqual([])
      }),
    )
  })

  it('by who gets it when its holder dies', () => {
    fc.assert(
      fc.property(...sizes, fc.nat({ max: 5 }), (partitions, count, dying) => {
        const { shares, following } = settled(partitions, count)
        const dead = `m${dying % count}`
        const left = claimsOf(shares, following).filter(({ member }) => member !== dead)
        for (const [member, share] of shareOut(left, partitions)) {
          const mine = [...(shares.get(member) ?? []), ...(following.get(member) ?? [])]
          expect(share.filter((partition) => !mine.includes(partition))).toEqual([])
        }
      }),
    )
  })

  it('by each of a group whose members hold as much as one another, and not by one of them for all', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 2, max: 6 }), (each, count) => {
        const loads = [...settled(each * count, count).following.values()].map(({ length }) => length)
        expect(Math.max(...loads)).toBeLessThanOrEqual(each * 2)
      }),
    )
  })

  it('by the same members as before while nobody comes or goes', () => {
    fc.assert(
      fc.property(...sizes, (partitions, count) => {
        const { shares, following } = settled(partitions, count)
        const again = shareFollowing(claimsOf(shares, following), shares, partitions)
        expect([...again].map(([member, of]) => [member, of.toSorted((a, b) => a - b)])).toEqual(
          [...following].map(([member, of]) => [member, of.toSorted((a, b) => a - b)]),
        )
      }),
    )
  })

  it('by who follows it already', () => {
    const holders = ['a', 'b', 'c']
    const circle = (step: number): readonly Claim[] =>
      holders.map((member, n) => ({ member, owned: [n], since: 1, followed: [(n + step) % 3] }))
    for (const claimed of [circle(1), circle(2)]) {
      const following = shareFollowing(claimed, shareOut(claimed, 3), 3)
      expect(claimed.map(({ member }) => following.get(member))).toEqual(claimed.map(({ followed }) => followed))
    }
  })

  it('by who held a partition until now, when it is given to another member', () => {
    const claimed: readonly Claim[] = [
      { member: 'new', owned: [], since: 0, followed: [] },
      { member: 'other', owned: [2, 3], since: 1, followed: [0, 1] },
      { member: 'long', owned: [0, 1], since: 1, followed: [2, 3] },
    ]
    const shares = shareOut(claimed, 3)
    const given = shares.get('new') ?? []
    expect(given).toHaveLength(1)
    const holderUntilNow = claimed.find(({ owned }) => owned.includes(given[0] ?? -1))
    const following = shareFollowing(claimed, shares, 3)
    expect(following.get(holderUntilNow?.member ?? '')).toContain(given[0])
  })

  it('as the leader of the group tells each; who led before it could say so tells nothing', async () => {
    const claim = { owned: [0, 1], since: 5, followed: [] }
    const assigner = stickyAssigner({ partitions: 2, claim: () => claim })({} as never)
    const { metadata } = assigner.protocol({ topics: ['in'] })
    const members = ['a', 'b'].map((memberId) => ({ memberId, memberMetadata: metadata }))
    const assigned = await assigner.assign({ members, topics: ['in'] })
    const told = assigned.map(({ memberAssignment }) => followedIn(memberAssignment))
    expect(told.flat().toSorted((a = 0, b = 0) => a - b)).toEqual([0, 1])
    expect(told.map((each) => each?.length)).toEqual([1, 1])
    expect(followedIn(Buffer.alloc(0))).toBeUndefined()
  })
})
