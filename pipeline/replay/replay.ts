import { ConnectorError } from '../../connectors/errors.ts'
import { countsIn } from './counts.ts'
import { judgeRange } from './judge-range.ts'
import { nameLost, readRecord } from './read-record.ts'
import type { Counts, PairCount } from './replay-file.ts'
import type { ReplayWork } from './replay-work.ts'

/** What a replay came to; its pairs stand in its file. */
export interface Replayed {
  readonly counts: Omit<Counts, 'kept'>
  readonly pairs: readonly PairCount[]
}

/** Records whose schema this program does not know are waited for so long. */
const longestWaitMs = 10_000

/**
 * Judges a range of a topic of events by a set of rules, over the log's own record, and changes nothing in the log. Goes on where its
 * file stands. null: it was stopped, and the file says where. Rejects with ConnectorError.
 */
export const replay = async (given: Omit<ReplayWork, 'lost'>): Promise<Replayed | null> => {
  const work: ReplayWork = { ...given, lost: AbortSignal.timeout(longestWaitMs) }
  try {
    if (!(await readRecord(work)) || !(await judgeRange(work)) || !(await nameLost(work))) return null
  } catch (cause) {
    if (!(cause instanceof DOMException)) throw cause
    throw new ConnectorError('LOG_DENIED', 'a newer version of the relay writes into this log: replay with that one')
  }
  const { kept, ...counts } = countsIn(work.file)
  const keptCounts = Object.entries(kept).map(([monitor, count]) => ({ monitor, kind: 'kept' as const, count }))
  const differing = work.file.pairCounts().filter(({ kind }) => kind !== 'kept')
  return { counts, pairs: [...differing, ...keptCounts] }
}
