import type { Counts, ReplayFile } from './replay-file.ts'

const countsName = 'counts'
const none = { events: 0, before: 0, foreign: 0, unrecorded: 0, made: 0, wereMade: 0 }

/** What was counted so far. */
export const countsIn = (file: Pick<ReplayFile, 'setting'>): Counts => {
  const kept = file.setting(countsName)
  return { ...none, kept: {}, ...(kept === undefined ? {} : (JSON.parse(kept) as Partial<Counts>)) }
}

/** Writes down what was counted so far. */
export const putCounts = (file: Pick<ReplayFile, 'set'>, counts: Counts): void =>
  file.set(countsName, JSON.stringify(counts))
