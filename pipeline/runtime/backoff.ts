/** Random numbers in [0, 1); seeded in scenarios and simulations. */
export type Random = () => number

export interface Backoff {
  readonly firstMs: number
  readonly longestMs: number
}

/** The wait before try number `failures` + 1, ms: doubled each time up to the longest, of which a random half is taken off. */
export const backoffMs = ({ firstMs, longestMs }: Backoff, failures: number, random: Random): number => {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(failures - 1, 30))
  return Math.round(full / 2 + (full / 2) * random())
}
