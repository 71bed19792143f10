/** Which candidate each wanted one is paired with, by index; null: none is left for it. */
export type Pairing = readonly (number | null)[]

/** Pairs as many as can be paired at once, each candidate with one at most: no order of trying loses a pair. */
export const pairUp = (
  wanted: number,
  candidates: number,
  fits: (want: number, candidate: number) => boolean,
): Pairing => {
  const takenBy: (number | undefined)[] = Array.from({ length: candidates })
  const place = (want: number, tried: Set<number>): boolean => {
    for (let candidate = 0; candidate < candidates; candidate++) {
      if (tried.has(candidate) || !fits(want, candidate)) continue
      tried.add(candidate)
      const holder = takenBy[candidate]
      if (holder === undefined || place(holder, tried)) {
        takenBy[candidate] = want
        return true
      }
    }
    return false
  }
  for (let want = 0; want < wanted; want++) place(want, new Set())
  return Array.from({ length: wanted }, (_, want) => {
    const candidate = takenBy.indexOf(want)
    return candidate === -1 ? null : candidate
  })
}
