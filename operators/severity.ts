const ranks: Readonly<Record<string, number>> = {
  '': 0,
  info: 1,
  informational: 1,
  information: 1,
  low: 2,
  medium: 3,
  high: 4,
  critical: 5,
}
/** A word that is none of these may mean anything: it is neither put last nor first. */
const unknownRank = 3

/** How severe a word is, for ordering what waits: 0 (nothing bad) to 5 (critical); case does not matter. */
export const severityRank = (severity: string): number => ranks[severity.trim().toLowerCase()] ?? unknownRank
