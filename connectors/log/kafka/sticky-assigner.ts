import { AssignerProtocol, type PartitionAssigner } from 'kafkajs'

/** A member, and the partitions that it says it holds since a time. */
export interface Claim {
  readonly member: string
  readonly owned: readonly number[]
  readonly since: number
}

const name = 'raptor-relay-sticky'
const version = 1

/**
 * Shares partitions out by number: as evenly as can be, with as few moved as can be. Of two members that claim one partition the
 * later one has it.
 */
export const shareOut = (claims: readonly Claim[], partitions: number): ReadonlyMap<string, readonly number[]> => {
  const members = claims.toSorted((a, b) => b.since - a.since || (a.member < b.member ? -1 : 1))
  const least = Math.floor(partitions / members.length)
  let larger = partitions % members.length
  const free = new Set(Array.from({ length: partitions }, (_, partition) => partition))
  const shares = new Map<string, number[]>()
  for (const { member, owned } of members) {
    const claimed = [...new Set(owned)].filter((partition) => free.has(partition))
    const isLarger = larger > 0 && claimed.length > least
    if (isLarger) larger--
    const kept = claimed.slice(0, isLarger ? least + 1 : least)
    for (const partition of kept) free.delete(partition)
    shares.set(member, kept)
  }
  for (const partition of free) {
    const [smallest] = [...shares.values()].sort((a, b) => a.length - b.length)
    smallest?.push(partition)
  }
  return shares
}

export interface StickyAssignerOptions {
  readonly partitions: number
  /** Asked at each join: what this member holds, and since when. */
  readonly claim: () => Omit<Claim, 'member'>
}

/** Assigns each partition number in all topics to the same member. */
export const stickyAssigner =
  ({ partitions, claim }: StickyAssignerOptions): PartitionAssigner =>
  () => ({
    name,
    version,
    protocol: ({ topics }) => {
      const userData = Buffer.from(JSON.stringify(claim()))
      return { name, metadata: AssignerProtocol.MemberMetadata.encode({ version, topics, userData }) }
    },
    assign: async ({ members, topics }) => {
      const claims = members.map(({ memberId, memberMetadata }) => ({ member: memberId, ...claimIn(memberMetadata) }))
      return [...shareOut(claims, partitions)].map(([memberId, share]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version,
          assignment: Object.fromEntries(topics.map((topic) => [topic, [...share]])),
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })

/** What a member claims; nothing when it cannot be read, as from another version. */
const claimIn = (metadata: Buffer): Omit<Claim, 'member'> => {
  try {
    const text = AssignerProtocol.MemberMetadata.decode(metadata)?.userData.toString() ?? ''
    const read: unknown = JSON.parse(text)
    if (typeof read !== 'object' || read === null || !('owned' in read) || !('since' in read)) return nothing
    const { owned, since } = read
    if (!Array.isArray(owned) || typeof since !== 'number') return nothing
    return { owned: owned.filter((partition): partition is number => Number.isInteger(partition)), since }
  } catch {
    return nothing
  }
}

const nothing = { owned: [], since: 0 } as const
