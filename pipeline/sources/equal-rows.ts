/** Counts rows that hold the same, within one reading of a queue: live, or once through its history. */
export interface EqualRows {
  /** Which one of those with this substance this is, from 0. */
  next(substance: string): number
}

const mostRemembered = 100_000

/** Remembers the latest 100,000 substances: those that are equal come close to each other. */
export const openEqualRows = (): EqualRows => {
  const counts = new Map<string, number>()
  return {
    next(substance) {
      const copy = counts.get(substance) ?? 0
      // What came latest stands last.
      counts.delete(substance)
      counts.set(substance, copy + 1)
      const [oldest] = counts.size > mostRemembered ? counts.keys() : []
      if (oldest !== undefined) counts.delete(oldest)
      return copy
    },
  }
}
