import { AssignerProtocol, type PartitionAssigner } from 'kafkajs'

/** A member, and what it says of itself. */
export interface Claim {
  readonly member: string
  /** Partitions that it holds. */
  readonly owned: readonly number[]
  /** When it was given them, epoch ms by its own clock. */
  readonly since: number
  /** Partitions of others whose state it follows: it could go on with them at once. */
  readonly followed: readonly number[]
}

/** Partitions by member. */
export type Shares = ReadonlyMap<string, readonly number[]>

const name = 'raptor-relay-sticky'
const version = 1

/**
 * Shares partitions out by number: as evenly as can be, with as few moved as can be. Of two members that claim one partition the
 * later one has it; what nobody claims goes to who follows it, where that is even too.
 */
export const shareOut = (claims: readonly Claim[], partitions: number): Shares => {
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
  for (const { member, followed } of members) {
    const share = shares.get(member) ?? []
    for (const partition of followed) {
      if (!free.has(partition) || share.length > least || (share.length === least && larger === 0)) continue
      if (share.length === least) larger--
      free.delete(partition)
      share.push(partition)
    }
  }
  for (const partition of free) {
    const [smallest] = [...shares.values()].sort((a, b) => a.length - b.length)
    smallest?.push(partition)
  }
  return shares
}

/**
 * Who follows the state of which partitions: whoever gets a partition when its holder dies, so that it can go on at once. One member each; those who
 * know a partition's state already come first, then those who follow less.
 */
export const shareFollowing = (claims: readonly Claim[], shares: Shares, partitions: number): Shares => {
  const members = [...shares.keys()]
  const following = new Map<string, number[]>(members.map((member) => [member, []]))
  for (const [nth, holder] of members.entries()) {
    // Beginning behind the holder: otherwise the first ones would follow everything.
    const others = [...members.slice(nth + 1), ...members.slice(0, nth)]
    if (others.length === 0) continue
    const rest = others.map((member, distance) => {
      const { owned, followed } = claims.find((claim) => claim.member === member) as Claim
      const load = following.get(member)?.length ?? 0
      return {
        member,
        owned: shares.get(member) ?? [],
        // Nobody claims what another one holds here: it only orders them, who follows less and stands nearer first.
        since: -(load * members.length + distance),
        followed: [...owned, ...followed],
      }
    })
    const held = shares.get(holder) ?? []
    for (const [member, share] of shareOut(rest, partitions))
      following.get(member)?.push(...share.filter((partition) => held.includes(partition)))
  }
  return following
}

export interface StickyAssignerOptions {
  readonly partitions: number
  /** Asked at each join: what this member says of itself. */
  readonly claim: () => Omit<Claim, 'member'>
}

/** Assigns each partition number in all topics to the same member, and tells each what it follows. */
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
      const shares = shareOut(claims, partitions)
      const following = shareFollowing(claims, shares, partitions)
      return [...shares].map(([memberId, share]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version,
          assignment: Object.fromEntries(topics.map((topic) => [topic, [...share]])),
          userData: Buffer.from(JSON.stringify({ followed: following.get(memberId) })),
        }),
      }))
    },
  })

/** What a member claims; nothing when it cannot be read, as from another version. */
const claimIn = (metadata: Buffer): Omit<Claim, 'member'> => {
  const read = userDataIn(() => AssignerProtocol.MemberMetadata.decode(metadata))
  if (read === undefined || typeof read.since !== 'number') return { owned: [], since: 0, followed: [] }
  return { owned: partitionsIn(read.owned) ?? [], since: read.since, followed: partitionsIn(read.followed) ?? [] }
}

/** What a member was told to follow; undefined: nothing, as by an assigner of another version. */
export const followedIn = (assignment: Buffer): readonly number[] | undefined =>
  partitionsIn(userDataIn(() => AssignerProtocol.MemberAssignment.decode(assignment))?.followed)

const userDataIn = (
  decode: () => { readonly userData: Buffer } | null,
): Readonly<Record<string, unknown>> | undefined => {
  try {
    const read: unknown = JSON.parse(decode()?.userData.toString() ?? '')
    return typeof read === 'object' && read !== null ? { ...read } : undefined
  } catch {
    return undefined
  }
}

const partitionsIn = (value: unknown): readonly number[] | undefined =>
  Array.isArray(value) ? value.filter((partition): partition is number => Number.isInteger(partition)) : undefined
